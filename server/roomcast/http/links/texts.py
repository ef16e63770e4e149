"""The texts of the pages of lasting links, in the languages of the demo page and the elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LinkTexts:
    """The texts of one language. `thousands` separates the groups of digits."""

    language: str
    downloads: str
    not_found: str
    no_such_link: str
    thousands: str = ","
    direction: Literal["ltr", "rtl"] = "ltr"


ENGLISH = LinkTexts("en", "Downloads", "Not found", "This link does not exist, or no longer.")

_LANGUAGES = {
    texts.language: texts
    for texts in (
        ENGLISH,
        LinkTexts("de", "Downloads", "Nicht gefunden", "Diesen Link gibt es nicht oder nicht mehr.", "."),
        LinkTexts("es", "Descargas", "No encontrado", "Este enlace no existe o ya no existe.", "."),
        LinkTexts("fr", "Téléchargements", "Introuvable", "Ce lien n’existe pas ou n’existe plus.", "\u202f"),
        LinkTexts("ja", "ダウンロード", "見つかりません", "このリンクは存在しないか、すでに無効です。"),
        LinkTexts("ar", "التنزيلات", "غير موجود", "هذا الرابط غير موجود أو لم يعد موجودًا.", direction="rtl"),
    )
}


def texts_for(accept_language: str) -> LinkTexts:
    """Return the texts of the language that a browser prefers, by its `Accept-Language`; English if there is none."""
    ranked: list[tuple[float, str]] = []
    for entry in accept_language[:1000].split(","):
        tag, _, parameter = entry.partition(";")
        weight = parameter.strip().removeprefix("q=") if parameter else "1"
        try:
            ranked.append((-float(weight), tag.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    ranked.sort(key=lambda one: one[0])
    return next((_LANGUAGES[language] for weight, language in ranked if weight < 0 and language in _LANGUAGES), ENGLISH)
