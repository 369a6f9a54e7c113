"""RapidOCR: PaddleOCR's models on ONNX Runtime, which come in its package.

It gives lines and their places. They are put in order as those of a PDF with text: columns one after the other, tables
by rows. On a page without either, short lines in larger print are headings.
"""

import os
from itertools import groupby
from statistics import median

# One thread: a child may start none, and inherits none. Read by the libraries when they are loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import cv2
import numpy as np
import pypdfium2
from rapidocr import RapidOCR

from ingestion.parse import pdf
from ingestion.parse.document import Head
from ingestion.parse.pdf_layout import Region, regions
from ingestion.parse.pdf_lines import Run
from ingestion.parse.pdf_picture import rendered
from ingestion.parse.pieces import Pieces

HEADING = 2
"""Of what rank is not to be seen on a page alone."""
HEADING_FROM = 1.4
"""So many times the usual height; the places of lines of one size differ by less."""
HEADING_CHARS_MAX = 100
_SAMPLE = b"/F 40 Tf 20 40 Td (A sample) Tj"
_PARAMETERS = {
    "Global.log_level": "critical",
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


class RapidPages:
    """A `LayoutReader`."""

    def __init__(self, models: str) -> None:
        cv2.setNumThreads(0)
        self._engine = RapidOCR(params={**_PARAMETERS, "Global.model_root_dir": models})

    def read(self, document: bytes, page: int, pieces: Pieces) -> None:
        runs = self._runs(pdf.opened(document)[page - 1])
        laid_out = regions(runs)
        if laid_out:
            pdf.add(laid_out, page, pieces)
            return
        usual = median(run.height for run in runs) if runs else 0.0
        for heading, lines in groupby(runs, lambda run: _is_heading(run, usual)):
            text = [run.text for run in lines]
            if heading:
                pieces.add(" ".join(text), heading=HEADING, page=page)
            else:
                pdf.add([Region(lines=tuple(text))], page, pieces)

    def _runs(self, page: pypdfium2.PdfPage) -> list[Run]:
        """Recognised lines, from top to bottom, in points of the page as it is shown."""
        bitmap, scale = rendered(page)
        height = page.get_height()
        found = self._engine(np.ascontiguousarray(bitmap.to_numpy()))
        if found.boxes is None or found.txts is None:
            return []
        runs = []
        for corners, text in zip(np.asarray(found.boxes) / scale, found.txts, strict=True):
            (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
            runs.append(Run(float(left), float(height - bottom), float(right), float(height - top), str(text)))
        return runs


def _is_heading(run: Run, usual: float) -> bool:
    return run.height >= HEADING_FROM * usual and len(run.text) <= HEADING_CHARS_MAX


def load(models: str) -> RapidPages:
    reader = RapidPages(models)
    # Models and modules are loaded by the first page.
    reader.read(pdf.sample(_SAMPLE), 1, Pieces(1000, _no_parts))
    return reader


def _no_parts(data: bytes, suffix: str, pieces: Pieces) -> Head:
    raise NotImplementedError
