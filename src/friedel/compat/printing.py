"""How the objects of the familiar door print."""


class PrintsAsGemmi:
    """Objects that print as gemmi's of the same name."""

    # Doctests and notebooks written for gemmi compare this text
    def __repr__(self) -> str:
        return f"<gemmi.{type(self).__name__} object at {id(self):#x}>"
