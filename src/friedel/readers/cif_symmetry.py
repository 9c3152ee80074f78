"""Cell and symmetry that a CIF states, whichever items carry them."""

from friedel.readers.cif_items import Items
from friedel.readers.stated_model import Cell, StatedSymmetry

OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop_magn_operation_xyz",
)
CENTRINGS = "_space_group_symop_magn_centering_xyz"
SYMBOLS = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_ref",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m",
    "_space_group_magn_name_bns",
)
HALL_SYMBOLS = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
SETTINGS = ("_space_group_it_coordinate_system_code", "_symmetry_it_coordinate_system_code")


def cell_of_block(items: Items) -> Cell | None:
    """The six cell parameters, with angles of 90 degrees where none are stated, or None."""
    a, b, c = (items.number(f"_cell_length_{axis}") for axis in "abc")
    if a is None or b is None or c is None:
        return None
    alpha, beta, gamma = (
        90.0 if (angle := items.number(f"_cell_angle_{name}")) is None else angle
        for name in ("alpha", "beta", "gamma")
    )
    return a, b, c, alpha, beta, gamma


def symmetry_of_block(items: Items) -> StatedSymmetry:
    """All that the block states of its symmetry; time reversal of magnetic groups is left out."""
    operations = next((found for name in OPERATIONS if (found := _stated(items, name))), [])
    if magnetic := _stated(items, CENTRINGS):
        operations = [*operations, *magnetic]
    number = items.number(*NUMBERS)
    return StatedSymmetry(
        operations=tuple(_without_time_reversal(text) for text in operations),
        hall=items.text(*HALL_SYMBOLS),
        symbol=items.text(*SYMBOLS),
        number=int(number) if number is not None and 1 <= number <= 230 else None,
        setting=items.text(*SETTINGS),
    )


def _stated(items: Items, name: str) -> list[str]:
    return [text for text in items.texts(name) if text]


def _without_time_reversal(text: str) -> str:
    parts = text.split(",")
    return ",".join(parts[:3]) if len(parts) == 4 else text
