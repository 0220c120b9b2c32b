"""Sources for an app: the pre-processing to the bit, and a class that runs the file with it, in Java and in C++."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from string import Template

import numpy as np

from archspec.photo import InputContract

TEMPLATES = "templates"
JAVA = ("  private static final float {} = {};", "  private static final float[] {} = {{{}}};")
CPP = ("inline constexpr float {} = {};", "inline constexpr float {}[] = {{{}}};")


def java(model: str, contract: InputContract, assets: Mapping[str, str]) -> dict[str, str]:
    """Java sources by file name. `assets` gives each ABI's .tflite among the app's assets.

    The Input class is plain Java; the Network class needs Android and com.google.ai.edge.litert.
    """
    cases = "\n".join(f'        case "{abi}":\n          return "{path}";' for abi, path in assets.items())
    name = class_name(model)
    return {
        f"{name}Input.java": _input("Input.java", model, contract, *JAVA),
        f"{name}Network.java": fill("Network.java", model, assets=cases),
    }


def cpp(model: str, contract: InputContract) -> dict[str, str]:
    """C++17 headers by file name. The first needs the standard library only, the second the C API of TFLite."""
    return {
        f"{model}_input.hpp": _input("input.hpp", model, contract, *CPP),
        f"{model}.hpp": fill("network.hpp", model),
    }


def class_name(model: str) -> str:
    """`mobilenet_v2-hed` as `MobilenetV2Hed`."""
    return "".join(part[0].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", model) if part)


def fill(template: str, model: str, **values: object) -> str:
    """A template's text. Raises KeyError where a value is missing."""
    text = resources.files(__package__).joinpath(TEMPLATES, template).read_text(encoding="utf-8")
    return Template(text).substitute(values, model=model, Class=class_name(model))


def _input(template: str, model: str, contract: InputContract, number: str, numbers: str) -> str:
    """The arithmetic is `prepare`'s: float32, in its order, with constants rounded where NumPy rounds them.

    `number` and `numbers` declare a constant and a list of them.
    """
    height, width, channels = contract.size
    if contract.range is not None:
        low, high = contract.range
        constants = [number.format("LOW", _float(low)), number.format("SPAN", _float(high - low))]
        value = "LOW + p / 255.0f * SPAN"
    else:
        lists = {"MEAN": contract.mean or (0.0,) * channels, "STD": contract.std or (1.0,) * channels}
        constants = [numbers.format(name, ", ".join(map(_float, values))) for name, values in lists.items()]
        value = "(p - MEAN[c]) / STD[c]"
    return fill(
        template, model, width=width, height=height, channels=channels, color=contract.color, resize=contract.resize,
        constants="\n".join(constants), value=value,
    )  # fmt: skip


def _float(number: float) -> str:
    """A literal of Java and C++ that reads as the same float32."""
    return f"{np.float32(number)}f"
