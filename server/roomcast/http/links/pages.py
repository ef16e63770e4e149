"""`/u/<token>`: the page of a lasting link, its files, and oEmbed. No page here can be framed by another site."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from aiohttp import web
from pydantic import Field

from roomcast.assemblies.links import UploadLink, UploadLinks
from roomcast.errors import Malformed, NotFound
from roomcast.http.links.texts import LinkTexts, texts_for
from roomcast.http.operations import HTML, Operation, Parameter, ResponseSpec, RouteGroup, Tag, json_body
from roomcast.http.pages import PAGE_RESPONSE, page_policy
from roomcast.http.responses import json_response
from roomcast.media.contract import MediaStore
from roomcast.media.result_keys import is_saved
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.messages import Message, Output, Shape
from roomcast.uploads.model import Upload

_PICTURES = frozenset({"image", "thumbnail"})
_TOKEN_PARAMETER = Parameter(
    "token", Annotated[str, Field(examples=["link_…"])], "The link's token.", "path", required=True
)
_PRIVATE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_STYLE = "../static/page/link-page.css"
_OUTPUT_NAME = Annotated[str, Field(examples=["video.mp4"])]


class OEmbed(Shape, total=False):
    """An oEmbed 1.0 response: a video (`html`), a photo (`url`), or a link."""

    version: str
    type: str
    title: str
    provider_name: str
    url: str
    html: str
    width: int
    height: int
    thumbnail_url: str
    thumbnail_width: int
    thumbnail_height: int


class LinkPages(RouteGroup):
    """The pages of lasting links. `base_url` is what links begin with: an address, or the prefix, or nothing."""

    def __init__(
        self,
        uploads: UploadService,
        links: UploadLinks,
        media: MediaStore,
        origins: Sequence[str],
        base_url: str,
    ) -> None:
        self._uploads = uploads
        self._links = links
        self._media = media
        self._base_url = base_url
        policy = page_policy(origins).replace("frame-ancestors 'self'", "frame-ancestors 'none'")
        self._headers = {**_PRIVATE_HEADERS, "Content-Security-Policy": policy}

    @Operation(
        "GET",
        "/u/{token}",
        Tag.PAGES,
        "The page of a lasting link",
        (
            PAGE_RESPONSE,
            ResponseSpec(302, "The main result, with `download`.", headers=(Parameter("Location", str, "", "header"),)),
            ResponseSpec(404, "The link is unknown, expired or revoked.", {HTML: str}),
        ),
        parameters=(_TOKEN_PARAMETER, Parameter("download", str, "1 downloads the main result.")),
    )
    async def _get_page(self, request: web.Request) -> web.Response:
        try:
            link, upload = await self._links.find(request.match_info["token"])
            if request.query.get("download") == "1":
                return self._redirect(_outputs(upload)[0], download=True)
        except (NotFound, IndexError):
            return self._not_found(request)
        page = f"{self._base(request)}/u/{request.match_info['token']}"
        return self._page(_render(link, upload, self._uploads.message(upload), page, _texts(request)))

    @Operation(
        "GET",
        "/u/{token}/{name}",
        Tag.PAGES,
        "A result, by a lasting link",
        (
            ResponseSpec(302, "Where the file is.", headers=(Parameter("Location", str, "Its URL.", "header"),)),
            ResponseSpec(404, "The link is not valid, or there is no such result.", {HTML: str}),
        ),
        description="`name` is the last segment of an output's key. Redirects to a signed URL of the moment.",
        parameters=(
            _TOKEN_PARAMETER,
            Parameter("name", _OUTPUT_NAME, "The file's name.", "path", required=True),
            Parameter("download", str, "1 saves the file under the name of the uploaded file."),
        ),
    )
    async def _get_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            _, upload = await self._links.find(request.match_info["token"])
            output = next(output for output in _outputs(upload) if _name(output) == name)
        except (NotFound, StopIteration):
            return self._not_found(request)
        return self._redirect(output, download=request.query.get("download") == "1")

    @Operation(
        "GET",
        "/oembed",
        Tag.PAGES,
        "oEmbed of a lasting link",
        (json_body(OEmbed, "The HTML or the picture that embeds the upload."),),
        parameters=(
            Parameter("url", str, "The URL of a lasting link's page.", required=True),
            Parameter("format", str, "`json`, the only one."),
            Parameter("maxwidth", str, "The greatest width, in pixels."),
            Parameter("maxheight", str, "The greatest height, in pixels."),
        ),
        errors=(NotFound, Malformed),
    )
    async def _get_oembed(self, request: web.Request) -> web.Response:
        if request.query.get("format", "json") != "json":
            raise Malformed("The only format is json.")
        try:
            folder, _, token = urlsplit(request.query.get("url", "")).path.rpartition("/")
        except ValueError:
            folder = token = ""
        if not folder.endswith("/u"):
            raise NotFound("There is no such link.")
        link, upload = await self._links.find(token)
        limits = [_limit(request.query.get(name)) for name in ("maxwidth", "maxheight")]
        body = _oembed(link, upload, f"{self._base(request)}/u/{token}", limits[0], limits[1])
        return json_response(body, headers=_PRIVATE_HEADERS)

    def _base(self, request: web.Request) -> str:
        """Return the address that absolute URLs begin with."""
        if self._base_url.startswith(("http://", "https://")):
            return self._base_url
        return f"{request.scheme}://{request.host}{self._base_url}"

    def _redirect(self, output: Output, *, download: bool) -> web.Response:
        key = output["key"]
        url = self._media.download_url(key) if download else self._media.url(key, longer=output["duration"] or 0.0)
        headers = {**_PRIVATE_HEADERS, "Location": url, "Cross-Origin-Resource-Policy": "cross-origin"}
        return web.Response(status=302, headers=headers)

    def _not_found(self, request: web.Request) -> web.Response:
        texts = _texts(request)
        head = f'{_head(texts)}<title>{texts.not_found}</title>\n<link rel="stylesheet" href="{_STYLE}">\n'
        body = f"<main>\n<h1>{texts.not_found}</h1>\n<p>{texts.no_such_link}</p>\n</main>\n</html>\n"
        return self._page(f"{head}{body}", status=404)

    def _page(self, html: str, *, status: int = 200) -> web.Response:
        return web.Response(text=html, status=status, content_type="text/html", headers=self._headers)


def _outputs(upload: Upload) -> list[Output]:
    outputs: list[Output] = upload.element["outputs"] if upload.stage is Stage.DONE and upload.element else []
    return outputs


def _name(output: Output) -> str:
    return output["key"].rpartition("/")[2]


def _limit(value: str | None) -> int | None:
    """Return the pixels of a parameter. Raise `Malformed`."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 6 and int(value)):
        raise Malformed("The parameters maxwidth and maxheight must be numbers of pixels.")
    return int(value)


def _image(outputs: Sequence[Output]) -> Output | None:
    """Return the image that stands for an upload: its poster, or its largest picture that every browser shows."""
    posters = [output for output in outputs if output["kind"] == "poster"]
    pictures = [output for output in outputs if output["kind"] in _PICTURES]
    plain = [output for output in pictures if output["mime"] in ("image/jpeg", "image/png")] or pictures
    largest_first = sorted(plain, key=lambda output: -(output["width"] or 0))
    return next(iter(posters or largest_first), None)


def _oembed(link: UploadLink, upload: Upload, page: str, max_width: int | None, max_height: int | None) -> OEmbed:
    """Return the oEmbed of an upload. Its URLs last as long as the link."""
    outputs = _outputs(upload)
    body: OEmbed = {"version": "1.0", "type": "link", "title": upload.filename, "provider_name": "Roomcast"}
    image = _image(outputs)
    if image and image["width"] and image["height"]:
        width, height = _fitted(image["width"], image["height"], max_width, max_height)
        thumbnail: OEmbed = {
            "thumbnail_url": f"{page}/{quote(_name(image))}", "thumbnail_width": width, "thumbnail_height": height
        }  # fmt: skip
        body = {**body, **thumbnail}
    if not outputs:
        return body
    main = outputs[0]
    width, height = _fitted(main["width"] or 640, main["height"] or 360, max_width, max_height)
    source = f"{page}/{quote(_name(main))}"
    if main["kind"] == "video":
        poster = f' poster="{escape(body.get("thumbnail_url", ""))}"' if image else ""
        size = f'width="{width}" height="{height}"'
        html = f'<video controls preload="none" {size} src="{escape(source)}"{poster}></video>'
        return {**body, "type": "video", "html": html, "width": width, "height": height}
    if image and main["kind"] in _PICTURES:
        return {**body, "type": "photo", "url": body["thumbnail_url"], "width": width, "height": height}
    return body


def _fitted(width: int, height: int, max_width: int | None, max_height: int | None) -> tuple[int, int]:
    """Return the size, made smaller in proportion if it exceeds a limit."""
    scale = min(1.0, (max_width or width) / width, (max_height or height) / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _texts(request: web.Request) -> LinkTexts:
    return texts_for(request.headers.get("Accept-Language", ""))


def _head(texts: LinkTexts) -> str:
    """Return what every page begins with."""
    return (
        f'<!doctype html>\n<html lang="{texts.language}" dir="{texts.direction}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
    )


def _render(link: UploadLink, upload: Upload, state: Message, page: str, texts: LinkTexts) -> str:
    """Return the page, whose URL is `page`. What has ended is complete without scripts; what is being worked on shows
    its progress."""
    oembed = f"{page.rpartition('/u/')[0]}/oembed?url={quote(page, safe='')}"
    title = escape(upload.filename)
    element: Any = state.get("element")
    outputs: list[Output] = element["outputs"] if element else []
    body = _result(upload, outputs, texts) if outputs else _progress(link, upload, state)
    return (
        f"{_head(texts)}<title>{title}</title>\n{_open_graph(upload, page)}"
        f'<link rel="alternate" type="application/json+oembed" href="{escape(oembed)}">\n'
        f'<link rel="stylesheet" href="{_STYLE}">\n'
        f'<main>\n<h1 dir="auto">{title}</h1>\n{body}</main>\n</html>\n'
    )


def _open_graph(upload: Upload, page: str) -> str:
    outputs = _outputs(upload)
    tags: dict[str, Any] = {"og:title": upload.filename, "og:url": page, "og:site_name": "Roomcast"}
    image = _image(outputs)
    if image:
        tags |= {"og:image": f"{page}/{quote(_name(image))}", "og:image:width": image["width"]}
        tags |= {"og:image:height": image["height"]}
    if outputs and outputs[0]["kind"] == "video":
        main = outputs[0]
        tags |= {"og:type": "video.other", "og:video": f"{page}/{quote(_name(main))}", "og:video:type": main["mime"]}
        tags |= {"og:video:width": main["width"], "og:video:height": main["height"]}
    else:
        tags["og:type"] = "website"
    tags["twitter:card"] = "summary_large_image" if image else "summary"
    return "".join(
        f'<meta property="{name}" content="{escape(str(value))}">\n'
        for name, value in tags.items()
        if value is not None
    )


def _result(upload: Upload, outputs: Sequence[Output], texts: LinkTexts) -> str:
    """Return the player or the picture, and the downloads."""
    main, image = outputs[0], _image(outputs)
    size = f' width="{main["width"]}" height="{main["height"]}"' if main["width"] and main["height"] else ""
    poster = f' poster="{escape(image["url"])}"' if image else ""
    url = escape(main["url"])
    if main["kind"] == "video":
        shown = f'<video controls playsinline preload="metadata"{size}{poster} src="{url}"></video>\n'
    elif main["kind"] == "audio":
        shown = f'<audio controls preload="metadata" src="{url}"></audio>\n'
    elif main["kind"] in _PICTURES:
        shown = _picture(upload, outputs)
    else:
        shown = ""
    items = "".join(
        f'<li><a dir="ltr" href="{escape(output.get("downloadUrl", output["url"]))}">'
        f"{escape(_label(output, texts))}</a></li>\n"
        for output in outputs
        if is_saved(output["key"])
    )
    return f'{shown}<h2>{texts.downloads}</h2>\n<ul class="downloads">\n{items}</ul>\n'


def _picture(upload: Upload, outputs: Sequence[Output]) -> str:
    """Return the picture set: every format in every size, and the largest JPEG, or else the first, as the image."""
    pictures = [output for output in outputs if output["kind"] in _PICTURES]
    fallback = _image(outputs) or pictures[0]
    sources = []
    for mime in dict.fromkeys(output["mime"] for output in pictures):
        sizes = ", ".join(
            f"{escape(output['url'])} {output['width']}w"
            for output in pictures
            if output["mime"] == mime and output["width"]
        )
        if sizes:
            sources.append(f'<source type="{escape(mime)}" srcset="{sizes}" sizes="100vw">\n')
    image = f'<img src="{escape(fallback["url"])}" alt="{escape(upload.filename)}">'
    return f"<picture>\n{''.join(sources)}{image}\n</picture>\n"


def _label(output: Output, texts: LinkTexts) -> str:
    size = f", {output['width']} × {output['height']}" if output["width"] and output["height"] else ""
    kilobytes = f"{max(1, round(output['size'] / 1000)):,}".replace(",", texts.thousands)
    return f"{_name(output)}{size}, {kilobytes} kB"


def _progress(link: UploadLink, upload: Upload, state: Message) -> str:
    """Return the progress of an upload without results, which a script keeps up to date and plays early."""
    text = f'<p lang="en" dir="ltr">{escape(state["message"])}</p>'
    if upload.state.terminal:
        return f"{text}\n"
    return (
        f'<upload-progress class="{link.scope}" results upload-id="{escape(upload.id)}">{text}</upload-progress>\n'
        '<script type="module" src="../static/page/link-page.js"></script>\n'
    )
