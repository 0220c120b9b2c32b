"""Runs artifacts on the ABIs they are for, under emulation, and holds their answers against this machine's."""


class AbiError(Exception):
    """An emulator that cannot be set up, or an artifact that cannot be verified; says why."""
