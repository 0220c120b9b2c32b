from io import StringIO

from archspec.train.watch import QUIET, Progress


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def train(out: StringIO, seconds: float) -> str:
    """What is shown of a step a second of 16 images, 600 of them, of which so many are taken."""
    clock = Clock()
    progress = Progress(out, clock)
    for step in range(int(seconds)):
        clock.seconds += 1
        progress.show({"event": "step", "step": step + 1, "steps": 600, "loss": 0.5, "batch": 16})
    return out.getvalue()


def test_a_log_gets_a_line_a_minute() -> None:
    assert train(StringIO(), QUIET - 1) == ""
    assert train(StringIO(), 2 * QUIET + 1).splitlines() == [
        "60/600  loss 0.5000  16.0 images/s  9:00 left",
        "120/600  loss 0.5000  16.0 images/s  8:00 left",
    ]


def test_a_terminal_gets_one_line_again_and_again() -> None:
    shown = train(Terminal(), 300)
    assert "\n" not in shown
    assert shown.count("\r\033[K") == 300
    assert shown.endswith("\r\033[K████████████░░░░░░░░░░░░ 300/600  loss 0.5000  16.0 images/s  5:00 left")


def test_a_measure_has_its_own_line() -> None:
    out = StringIO()
    Progress(out).show({"event": "measured", "step": 50, "result": {"ods": 0.75, "ap": 0.5}})
    assert out.getvalue() == "step 50: ods 0.7500 ap 0.5000\n"
