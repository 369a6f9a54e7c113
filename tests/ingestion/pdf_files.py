"""PDF files written by hand, for what the usual writers do not write. Pages of 300 by 300 points, Helvetica as /F."""

FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
SYMBOLS = b"<</Type/Font/Subtype/Type1/BaseFont/ZapfDingbats>>"


def pdf(*objects: bytes) -> bytes:
    """The first is the catalog."""
    body = b"%PDF-1.7\n" + b"".join(b"%d 0 obj%s\nendobj\n" % (n, one) for n, one in enumerate(objects, 1))
    return body + b"trailer<</Root 1 0 R/Size %d>>\n%%%%EOF\n" % (len(objects) + 1)


def stream(content: bytes, dictionary: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (dictionary, len(content), content)


def page_of(
    content: bytes,
    page: bytes = b"",
    *,
    catalog: bytes = b"",
    resources: bytes = b"",
    fonts: bytes = b"",
    last: bytes = b"null",
    more: tuple[bytes, ...] = (),
) -> bytes:
    """One page. Objects 5 to 8 are `more`, the ninth is `last`."""
    box = b"" if b"MediaBox" in page else b"/MediaBox[0 0 300 300]"
    fill = [*more, *[b"null"] * (4 - len(more))]
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R%s/Contents 4 0 R/Resources<</Font<</F %s/Z %s%s>>%s>>%s>>"
        % (box, FONT, SYMBOLS, fonts, resources, page),
        stream(content),
        *fill,
        last,
    )


def with_form_of(content: bytes) -> bytes:
    """A page with "Shown." that draws this content as a form, which is moved and made larger."""
    form = stream(
        content,
        b"/Type/XObject/Subtype/Form/BBox[0 0 400 600]/Matrix[1 0 0 1 0 -90]/Resources<</Font<</F %s>>>>" % FONT,
    )
    shown = b"BT /F 10 Tf 20 280 Td (Shown.) Tj ET q 1.5 0 0 1.5 5 5 cm /X Do Q"
    return page_of(shown, resources=b"/XObject<</X 9 0 R>>", last=form)
