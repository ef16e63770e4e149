"""Choose the streams of a file that a player would play. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

StreamT = TypeVar("StreamT")


@dataclass(frozen=True)
class Candidate(Generic[StreamT]):
    """A stream that could be played.

    `default` is its mark in the file. `auxiliary` streams are only played for want of others: thumbnails, commentaries,
    descriptions for the blind. `programs` are the numbers of the MPEG-TS programmes that it belongs to, from 0 in the
    order of the file. `pixels` is 0 for audio.
    """

    index: int
    stream: StreamT
    default: bool = False
    auxiliary: bool = False
    pixels: int = 0
    programs: frozenset[int] = field(default_factory=frozenset)


def choose_video(candidates: Sequence[Candidate[StreamT]], usable: Callable[[int], bool]) -> Candidate[StreamT] | None:
    """Return the video to play: one that is `usable`, by its index, if there is one.

    Among those the default one is preferred, then one that is not auxiliary, of the first programme, with most pixels.
    """

    def rank(candidate: Candidate[StreamT]) -> tuple[bool, bool, bool, int, int]:
        program = min(candidate.programs, default=0)
        return not usable(candidate.index), not candidate.default, candidate.auxiliary, program, -candidate.pixels

    return min(candidates, key=rank, default=None)


def choose_audio(
    candidates: Sequence[Candidate[StreamT]], usable: Callable[[int], bool], programs: frozenset[int]
) -> Candidate[StreamT] | None:
    """Return the audio to play with a video of these programmes; None if all audio belongs to others.

    An audio stream that is `usable`, by its index, is preferred, then the default one, then one that is not auxiliary.
    """
    fitting = [each for each in candidates if not programs or not each.programs or each.programs & programs]

    def rank(candidate: Candidate[StreamT]) -> tuple[bool, bool, bool, bool, int]:
        is_other = bool(programs) and not candidate.programs
        program = min(candidate.programs, default=0)
        return not usable(candidate.index), is_other, not candidate.default, candidate.auxiliary, program

    return min(fitting, key=rank, default=None)
