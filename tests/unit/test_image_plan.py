"""The plan of the files that an image becomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.image.child.plan import fit, plan_images
from roomcast_workers.image.child.still import quality_of

FORMATS = ("webp", "avif", "jpeg")
sides = st.lists(st.integers(16, 8192), min_size=1, max_size=8)
sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))


def test_large_image_is_planned_in_every_size_and_format() -> None:
    assert [(each.name, each.kind, each.size) for each in plan_images((6000, 4000), (2048, 1024, 480), FORMATS)] == [
        ("image.webp", "image", (2048, 1365)),
        ("image.avif", "image", (2048, 1365)),
        ("image.jpg", "image", (2048, 1365)),
        ("image-1024.webp", "image", (1024, 683)),
        ("image-1024.avif", "image", (1024, 683)),
        ("image-1024.jpg", "image", (1024, 683)),
        ("image-480.webp", "thumbnail", (480, 320)),
        ("image-480.avif", "image", (480, 320)),
        ("image-480.jpg", "image", (480, 320)),
    ]


def test_small_image_is_planned_in_one_size() -> None:
    plan = plan_images((300, 200), (2048, 1024, 480), ("jpeg", "webp"))
    assert [(each.name, each.kind, each.size) for each in plan] == [
        ("image.jpg", "image", (300, 200)),
        ("image.webp", "image", (300, 200)),
    ]


@given(sizes, sides, st.permutations(FORMATS))
def test_plan_enlarges_nothing_and_has_no_duplicates(
    size: tuple[int, int], wanted: list[int], formats: list[str]
) -> None:
    plan = plan_images(size, wanted, formats)
    assert len({each.name for each in plan}) == len(plan)
    assert len({(max(each.size), each.format) for each in plan}) == len(plan)
    assert all(each.width <= size[0] and each.height <= size[1] and min(each.size) >= 1 for each in plan)
    assert plan[0].kind == "image"
    assert plan[0].format == formats[0]
    assert max(plan[0].size) == min(max(wanted), max(size))
    assert plan == sorted(plan, key=lambda each: -max(each.size))
    assert sum(each.kind == "thumbnail" for each in plan) == (1 if len(plan) > len(formats) else 0)


@given(sizes, st.integers(16, 8192))
def test_fit_preserves_the_shape_to_half_a_pixel(size: tuple[int, int], side: int) -> None:
    width, height = fit(size, side)
    scale = min(1.0, side / max(size))
    assert abs(width - size[0] * scale) <= max(0.5, 1 - size[0] * scale)
    assert abs(height - size[1] * scale) <= max(0.5, 1 - size[1] * scale)


@given(st.sampled_from(FORMATS), st.integers(1, 99))
def test_quality_of_grows_with_quality_in_every_format(image_format: str, quality: int) -> None:
    assert 1 <= quality_of(image_format, quality) <= quality_of(image_format, quality + 1) <= 100
    assert quality_of("jpeg", quality) == quality
