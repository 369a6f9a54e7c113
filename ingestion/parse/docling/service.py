"""docling-serve, asked over HTTP to convert the picture of one page. Nothing else of a document is sent to it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import httpx

from ingestion.parse.document import Reason, Refused
from rag.ingestion_settings import IngestionSettings

ANSWER_BYTES_MAX = 32 * 2**20
"""A page with a full table of 5,000 cells takes some 4 MB."""
CONNECT_S = 10.0
GRACE_S = 15.0
"""The service gives up at the page's time and looks for that every other second; this much later it is given up."""
KEY = "X-Api-Key"
_OPTIONS = {
    "from_formats": "image",
    "to_formats": "json",
    "image_export_mode": "placeholder",
    "include_images": "false",
    "do_ocr": "true",
    "force_ocr": "true",
    "do_table_structure": "true",
    # Else what went wrong is no answer, but the same 404 as a wrong address.
    "abort_on_error": "false",
}
_REFUSING = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class DoclingService:
    """One service, asked for one page at a time: those behind it would spend their time waiting in its queue.

    Follows no redirect, and no proxy of the environment: key and pictures are for this address alone.
    """

    def __init__(self, settings: IngestionSettings) -> None:
        # There are no settings with this service in them and without its address.
        self._url = (settings.docling_url or "").rstrip("/")
        self._page_s = settings.ocr_wall_s
        key = settings.docling_api_key
        self._headers = {"Accept-Encoding": "identity", **({} if key is None else {KEY: key.get_secret_value()})}
        self._verify = httpx.create_ssl_context()
        # A loop of its own for each request: one deadline holds for all of it, whatever arrives how slowly.
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="ringfence-docling")

    def __enter__(self) -> "DoclingService":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asking.shutdown()

    def converted(self, picture: bytes) -> bytes:
        """The body of the answer to a picture, which is PNG. It is not looked into here.

        Raises:
            Refused: ocr_unavailable. The service did not answer, or with another status than 200.
        """
        return self._asking.submit(lambda: asyncio.run(self._asked(picture))).result()

    async def _asked(self, picture: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._page_s + GRACE_S):
                return await self._answer(picture)
        except TimeoutError:
            raise _unavailable("no answer in the time of ingestion.ocr_wall_s") from None
        except httpx.HTTPError as cause:
            raise _unavailable(type(cause).__name__) from None

    async def _answer(self, picture: bytes) -> bytes:
        timeout = httpx.Timeout(None, connect=CONNECT_S)
        options = {**_OPTIONS, "document_timeout": f"{self._page_s:g}"}
        files = {"files": ("page.png", picture, "image/png")}
        async with (
            httpx.AsyncClient(timeout=timeout, verify=self._verify, trust_env=False, headers=self._headers) as client,
            client.stream("POST", f"{self._url}/v1/convert/file", data=options, files=files) as response,
        ):
            if response.status_code in _REFUSING:
                raise _unavailable(f"it does not accept the key of ingestion.docling_api_key ({response.status_code})")
            if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
                raise _unavailable(f"it answered with status {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise Refused(Reason.OCR_FAILED, f"its answer is larger than {ANSWER_BYTES_MAX} bytes")
            return bytes(body)


def _unavailable(why: str) -> Refused:
    return Refused(Reason.OCR_UNAVAILABLE, why)
