"""How equations of Office documents are written in one line. Standard library only."""

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
AROUND = {
    f"{M}num": ("(", ")/"),
    f"{M}den": ("(", ")"),
    f"{M}sup": ("^(", ")"),
    f"{M}sub": ("_(", ")"),
    f"{M}rad": ("√(", ")"),
    f"{M}d": ("(", ")"),
    f"{M}mr": ("", "; "),
}
"""What stands around the parts of an equation."""
