r"""Weighting schemes stated in CIF, as the parameters of SHELX's WGHT.

Understood are the forms of SHELXL, CRYSTALS and others for refinement on F^2,
``w = 1/[\s^2^(Fo^2^) + (aP)^2^ + bP]`` with ``P = f Fo^2^ + (1-f) Fc^2^``, and that of Jana,
``w = 1/(\s^2^(I) + u I^2^)``.
"""

import re

NUMBER = r"(\d+\.?\d*|\.\d+)"

Weights = tuple[float, ...]
"""a, b of SHELX's WGHT, or all of a, b, c, d, e, f."""


def parse_weights(text: str) -> Weights | None:
    """Weights a, b (and c, d, e, f, where f is not 1/3) that a text states; None if unknown."""
    plain = re.sub(r"[\s\\~*]", "", text).replace("σ", "s")
    plain = re.sub(r"max\((F?o?\^2\^),?0?\)|max\(0,(Fo\^2\^)\)", r"\1\2", plain, flags=re.I)
    if jana := re.search(rf"w=1/[\[(]s\^2\^\(I\)\+{NUMBER}I\^2\^[\])]", plain):
        # (a P)^2 with P = F_o^2
        return float(jana[1]) ** 0.5, 0.0, 0.0, 0.0, 0.0, 1.0
    formula = re.search(r"1/[\[{(]s\^2\^\(F(?:o|obs)?\^2\^\)(.*?)[\]}](.*)", plain, re.IGNORECASE)
    if formula is None:
        is_plain = re.search(r"w=1/s\^2\^\((Fo?\^2\^|I)\)$", plain, re.IGNORECASE)
        return (0.0, 0.0) if is_plain else None
    pattern = rf"(?:\+\({NUMBER}P?\)\^2\^)?(?:\+{NUMBER}P)?(?:\+0\.0+)*"
    terms = re.fullmatch(pattern, formula[1], re.IGNORECASE)
    if terms is None:
        return None
    a, b = float(terms[1] or 0.0), float(terms[2] or 0.0)
    f = _share_of_measured(formula[2])
    if f is None:
        return (a, b) if not (a or b) else None
    return shortened((a, b, 0.0, 0.0, 0.0, f))


def shortened(weights: Weights) -> Weights:
    """A and b alone where c, d and e are 0 and f is 1/3."""
    a, b, *others, f = weights
    return weights if any(others) or abs(f - 1 / 3) > 1e-3 else (a, b)


def _share_of_measured(text: str) -> float | None:
    """F of ``P=fFo^2^+(1-f)Fc^2^``: 1/3 unless the text says otherwise; None if unknown."""
    where = re.search(r"P=[\[(]?(.*F.*)", text, re.IGNORECASE)
    if where is None:
        return 1 / 3
    o, c = r"Fo?(?:bs)?\^2\^", r"Fc?(?:alc)?\^2\^"
    form = rf"{NUMBER}?{o}\+{NUMBER}?{c}[\])]?(?:/{NUMBER})?"
    found = re.match(form, where[1], re.IGNORECASE)
    if found is None:
        return None
    divisor = float(found[3] or 1.0)
    measured, calculated = (float(x or 1.0) / divisor for x in (found[1], found[2]))
    return measured if abs(measured + calculated - 1.0) < 1e-3 else None
