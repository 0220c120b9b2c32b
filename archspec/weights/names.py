"""What a scope's name says: its words, its numbers, and which convolution a norm belongs to."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from functools import cache

# Words that say what a layer is, not which one, as TF1 layers, TF-Slim, Keras and torchvision write them.
GENERIC = frozenset(
    "conv conv1d conv2d conv3d convolution dwconv dwconv2d separableconv2d dense linear "
    "bn batch normalization batchnorm batchnorm1d batchnorm2d norm".split()
)
NORM_WORDS = re.compile(r"batch_?norm(alization)?([12]d)?|bn|norm", re.IGNORECASE)
CLASS_WORDS = GENERIC | {"depthwise", "separable", "transpose"}
TOKEN = re.compile(r"[a-z]*conv[123]d(?![a-z0-9])|batchnorm[12]d|\d+|[a-z]+")
NUMBER = re.compile(r"(?i)(conv[123]d(?![a-z0-9]))|(\d+)([a-z](?![a-z0-9]))?")  # a letter counts on: block2a, block2b
NO_NUMBER = -1  # `conv2d`, before `conv2d_1`


def tokens(scope: str) -> list[str]:
    """Words and numbers in lower case: `Block_1/Conv2d` -> block, 1, conv2d."""
    return TOKEN.findall(scope.lower())


@cache
def skeleton(scope: str) -> tuple[str, tuple[int, ...]]:
    """The name without its numbers, and the numbers, most significant first.

    A path segment without a trailing `_N` counts as the first of its automatic numbers, so that `conv2d` and
    `conv2d_1` share a skeleton: `block2_0/conv2d` -> (`block#_#/conv2d_#`, (2, 0, NO_NUMBER)).
    """
    numbers: list[int] = []

    def mask(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        numbers.append(int(match[2]))
        if not match[3]:
            return "#"
        numbers.append(ord(match[3].lower()) - ord("a"))
        return "#@"

    parts = []
    for part in re.split(r"([/.])", scope):
        masked = NUMBER.sub(mask, part)
        if part not in "/." and not re.search(r"(^|_)\d+$", part):
            masked += "_#"
            numbers.append(NO_NUMBER)
        parts.append(masked)
    return "".join(parts), tuple(numbers)


@cache
def prefixes(scope: str) -> tuple[str, ...]:
    """The scope cut at each `/`, `.` and `_`, shortest first, with the whole scope last."""
    return (*(scope[: cut.start()] for cut in re.finditer(r"[/._]", scope) if cut.start()), scope)


def under(scope: str, prefix: str) -> bool:
    """Whether `prefix` is one of `prefixes(scope)`."""
    return scope == prefix or (scope.startswith(prefix) and scope[len(prefix)] in "/._")


@cache
def words(scope: str) -> frozenset[str]:
    """The words that could tell one role from another: no numbers, no class names."""
    return frozenset(t for t in tokens(scope) if not t.isdigit() and t not in CLASS_WORDS)


def common_words(scopes: Iterable[str]) -> frozenset[str]:
    """Words every scope has (a model's own name): they tell nothing apart."""
    every = [words(scope) for scope in scopes]
    return frozenset.intersection(*every) if every else frozenset()


def partners(convs: Iterable[str], norms: Iterable[str]) -> dict[str, str]:
    """Norm scope -> scope of the convolution it is named after, where names alone leave no choice.

    Three conventions, the strictest first: the convolution's name plus a word for the norm
    (`Conv2d_0/BatchNorm`, `bn_Conv1`, `block_1_expand_BN`); equal but for generic words
    (`block2_0/expand_conv2d/conv2d` and `.../batch_normalization`, `layer1.0.conv1` and `layer1.0.bn1`); the
    next number of one sequence (`conv.2`, `conv.3`). Automatic names (`conv2d_3`, `batch_normalization_3`)
    count separately a class and prove nothing.
    """
    convs, norms = list(convs), list(norms)
    found: dict[str, str] = {}
    for conv_keys, norm_keys in (
        ({c: c.lower() for c in convs}, {n: _without_norm_word(n) for n in norms}),
        ({c: _plain(c) for c in convs}, {n: _plain(n) for n in norms}),
        ({c: _next_number(c) for c in convs}, {n: n.lower() for n in norms}),
    ):
        for norm, conv in _unique_pairs(conv_keys, norm_keys).items():
            if norm not in found and conv not in found.values():
                found[norm] = conv
    return found


def _unique_pairs(conv_keys: Mapping[str, Hashable], norm_keys: Mapping[str, Hashable]) -> dict[str, str]:
    by_key: dict[Hashable, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for conv, key in conv_keys.items():
        by_key[key][0].append(conv)
    for norm, key in norm_keys.items():
        by_key[key][1].append(norm)
    return {n[0]: c[0] for key, (c, n) in by_key.items() if key is not None and len(c) == 1 == len(n)}


def _without_norm_word(scope: str) -> str | None:
    """`Conv2d_0/BatchNorm` -> `conv2d_0`, `bn_Conv1` -> `conv1`; None when the last segment names no norm."""
    *head, last = re.split(r"(?<=[/.])", scope)
    bare = "_".join(p for p in last.split("_") if not NORM_WORDS.fullmatch(p)) if "_" in last else last
    if NORM_WORDS.fullmatch(last):
        return "".join(head)[:-1].lower() or None
    return ("".join(head) + bare).lower() if bare and bare != last else None


def _plain(scope: str) -> tuple[str, ...] | None:
    """The scope's tokens without generic words; None when no word is left.

    An automatic name's number goes too: `net/conv2d_3` is only known to be one of the convolutions of `net`.
    """
    *head, last = re.split(r"[/.]", scope)
    automatic = re.fullmatch(r"(.*?)(_\d+)?", last)
    if (
        automatic
        and not words(automatic[1])
        and not re.search(r"\d", re.sub(r"(conv|batchnorm)[123]d", "", automatic[1].lower()))
    ):
        last = automatic[1]
    plain = tuple(t for part in (*head, last) for t in tokens(part) if t not in GENERIC)
    return plain if any(not t.isdigit() for t in plain) else None


def _next_number(scope: str) -> str | None:
    """`features.3.conv.2` -> `features.3.conv.3`; None when the last segment is no number."""
    match = re.fullmatch(r"(.*[/.])(\d+)", scope)
    return f"{match[1]}{int(match[2]) + 1}".lower() if match else None
