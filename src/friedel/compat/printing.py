"""What objects of the gemmi-compatible interface have in common: printing, no other attributes."""


class PrintsAsGemmi:
    """Base class of objects that print as gemmi's class of the same name.

    With ``__slots__`` in every class, a mistyped attribute is an error, as in gemmi.
    """

    __slots__ = ()

    # Doctests and notebooks written for gemmi compare this text
    def __repr__(self) -> str:
        return f"<gemmi.{type(self).__name__} object at {id(self):#x}>"
