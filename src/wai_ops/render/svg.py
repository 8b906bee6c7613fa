"""Take from a drawn SVG what a page may hold: shapes and text. Everything else is left behind.

Elements and attributes come from short lists, text is escaped anew, colours become class names of
the page's style sheet (its policy allows no style attributes), ids get the chart's own prefix.
"""

import re
from xml.etree import ElementTree as ET

from wai_ops.render.palette import CLASSES

_ELEMENTS = {"svg", "g", "path", "text", "tspan", "line", "rect", "circle", "clipPath", "defs"}
_ATTRIBUTES = {
    *("d", "transform", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "dx", "dy", "viewBox"),
    *("fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin"),
    *("opacity", "fill-opacity", "stroke-opacity", "font-weight", "text-anchor"),
    *("width", "height", "id", "clip-path"),
}
_VALUE = re.compile(r"[A-Za-z0-9 .,#%()+-]*\Z")
"""What an attribute may hold: numbers, names, path data, transforms, colours."""
_LONG = re.compile(r"-?\d+\.\d{3,}")
_LOCAL = re.compile(r"url\([\"']?#([\w-]+)[\"']?\)\Z")
_NAMESPACE = "{http://www.w3.org/2000/svg}"
_HIDDEN = {"fill": "transparent", "display": "none"}


def clean(drawn: str, *, key: str, label: str) -> str:
    """Return the SVG as markup for a page. `key` prefixes ids; `label` is what is read aloud.

    Raises ValueError for anything that declares a document type or is no SVG.
    """
    if "<!" in drawn or "<?" in drawn:
        raise ValueError("the SVG holds a declaration")
    root = ET.fromstring(drawn)  # noqa: S314 - without a document type there is nothing to expand
    if root.tag != f"{_NAMESPACE}svg":
        raise ValueError(f"{root.tag} is no SVG")
    (kept,) = _kept(root, key)
    kept.attrib = {
        "viewBox": kept.attrib["viewBox"],
        "role": "img",
        "aria-label": label,
    }
    return ET.tostring(kept, encoding="unicode")


def _kept(node: ET.Element, key: str) -> list[ET.Element]:
    """The node cleaned; its children where it says nothing itself; nothing where it is hidden."""
    name = node.tag.removeprefix(_NAMESPACE)
    if name not in _ELEMENTS or _is_empty(node, name):
        return []
    attributes = _attributes(node, key)
    children = [child for item in node for child in _kept(item, key)]
    if name == "g" and not attributes:
        return children
    if name in {"g", "defs"} and not children:
        return []
    copy = ET.Element(name, attributes)
    copy.text = node.text if name in {"text", "tspan"} else None
    tip = node.get("aria-label")
    if tip and node.get("role") == "graphics-symbol" and name != "g":
        ET.SubElement(copy, "title").text = tip  # what a pointer shows
    copy.extend(children)
    return [copy]


def _is_empty(node: ET.Element, name: str) -> bool:
    """Whether the node draws nothing: hidden, or the frame of a group."""
    if node.get("display") == "none":
        return True
    return name == "path" and node.get("class") in {"background", "foreground"}


def _attributes(node: ET.Element, key: str) -> dict[str, str]:
    found: dict[str, str] = {}
    classes: list[str] = []
    for name, value in node.attrib.items():
        if name not in _ATTRIBUTES:
            continue
        if name == "clip-path":
            if match := _LOCAL.match(value):
                found[name] = f"url(#{key}-{match[1]})"
        elif name == "id":
            found[name] = f"{key}-{value}" if re.fullmatch(r"[\w-]+", value) else key
        elif _VALUE.match(value):
            if name in {"fill", "stroke"} and value in CLASSES:
                classes.append(f"{name[0]}-{CLASSES[value]}")
            if (name, value) not in _DEFAULTS:
                found[name] = _LONG.sub(lambda match: f"{float(match[0]):.2f}", value)
    if classes:
        found["class"] = " ".join(classes)
    return found


_DEFAULTS = {
    ("opacity", "1"),
    ("stroke-width", "1"),
    ("transform", "translate(0,0)"),
    ("x2", "0"),
    ("y2", "0"),
}
"""What an SVG means without being told."""
