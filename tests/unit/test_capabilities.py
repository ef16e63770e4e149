"""What an ffmpeg can do is read from its listings, whatever they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.ffmpeg.capabilities import Capabilities, parse_capabilities

FILTERS = """Filters:
  T. = Timeline support
  | = Source or sink filter
 .S zscale            V->V       Apply resizing, colorspace and bit depth conversion.
 .S tonemap           V->V       Conversion to/from different dynamic ranges.
"""
ENCODERS = """Encoders:
 V..... = Video
 ------
 V....D libx264              libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10 (codec h264)
 V..... libsvtav1            SVT-AV1(Scalable Video Technology for AV1) encoder (codec av1)
 A....D aac                  AAC (Advanced Audio Coding)
"""
DECODERS = """Decoders:
 V..... libdav1d             dav1d AV1 decoder by VideoLAN (codec av1)
 V....D av1                  Alliance for Open Media AV1
 VFS..D hevc                 HEVC (High Efficiency Video Coding)
 V..... hevc_cuvid           Nvidia CUVID HEVC decoder (codec hevc)
 VFS..D cllc                 Canopus Lossless Codec
 A....D mp3float             MP3 (MPEG audio layer 3) (codec mp3)
"""
SCALE = """Filter scale
scale AVOptions:
   w                 <string>     ..FV.....T. Output video width
   intent            <int>        ..FV....... rendering intent (from 0 to 3) (default relative_colorimetric)
"""


def test_capabilities_are_those_that_the_listings_name() -> None:
    found = parse_capabilities(FILTERS, ENCODERS, DECODERS, SCALE)
    assert found == Capabilities(
        filters=frozenset({"zscale", "tonemap"}),
        encoders=frozenset({"libx264", "libsvtav1", "aac"}),
        decoders=frozenset({"libdav1d", "hevc", "mp3float"}),
        decodable=frozenset({"av1", "hevc", "mp3"}),
        scale_options=frozenset({"w", "intent"}),
    )
    assert found.can_encode("libsvtav1", "aac")
    assert not found.can_encode("libvpx-vp9", "aac")
    assert found.can_decode("mp3")
    assert not found.can_decode("cllc")  # it is not one of our decoders


def test_av1_decoder_that_needs_a_graphics_card_does_not_count() -> None:
    without = "\n".join(line for line in DECODERS.splitlines() if "dav1d" not in line)
    assert not parse_capabilities(FILTERS, ENCODERS, without, SCALE).can_decode("av1")


def test_tone_mapper_is_the_best_that_there_is() -> None:
    assert parse_capabilities(FILTERS, "", "", SCALE).tone_mapper == "zscale"
    assert parse_capabilities("", "", "", SCALE).tone_mapper == "swscale"
    assert parse_capabilities("", "", "", "").tone_mapper == "none"


@given(st.text())
def test_no_listing_raises_an_error(text: str) -> None:
    parse_capabilities(text, text, text, text)
