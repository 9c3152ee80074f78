"""Printed form of objects of the gemmi-compatible interface."""


class PrintsAsGemmi:
    """Base class of objects that print as gemmi's class of the same name."""

    # Doctests and notebooks written for gemmi compare this text
    def __repr__(self) -> str:
        return f"<gemmi.{type(self).__name__} object at {id(self):#x}>"
