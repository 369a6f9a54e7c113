"""Office documents of unusual make, in the usual one: Strict Open XML in its Transitional namespaces, templates as
documents. Our libraries know only those."""

import io
import re
import zipfile

_STRICT = re.compile(rb"""(=\s*["'])http://purl\.oclc\.org/ooxml/(\w+)/""")
_USUAL = rb"\1http://schemas.openxmlformats.org/\2/2006/"
_TEMPLATE = re.compile(rb"(wordprocessingml|presentationml)\.(?:template|slideshow)\.main\+xml")
_TYPES = "[Content_Types].xml"
_KINDS = {b"wordprocessingml": b"document", b"presentationml": b"presentation"}
_XML = (".xml", ".rels", ".vml")


def as_usual(data: bytes) -> bytes:
    """The document unchanged, or a copy of it. Its members were counted before: a copy is no larger than they are."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        names = dict.fromkeys(source.namelist())
        if not {_TYPES, "_rels/.rels"} <= names.keys():
            return data
        types = source.read(_TYPES)
        usual = _TEMPLATE.sub(lambda match: match[1] + b"." + _KINDS[match[1]] + b".main+xml", types)
        strict = _STRICT.search(source.read("_rels/.rels")) is not None
        if usual == types and not strict:
            return data
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
            for name in names:
                member = usual if name == _TYPES else source.read(name)
                if strict and name.lower().endswith(_XML):
                    member = _STRICT.sub(_USUAL, member)
                target.writestr(name, member)
    return written.getvalue()
