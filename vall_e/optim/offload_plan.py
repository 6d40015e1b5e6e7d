"""Which device each module of a model that is larger than one of them goes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vall_e.errors import ConfigError

UNIT = 2**20  # bytes that a user is told sizes in


@dataclass
class Room:
    """What still fits on a device. share: whether `limit` is a share of the model, which its last module may exceed."""

    device: str
    free: int
    limit: float
    share: bool
    used: int = 0

    def fits(self, size: int) -> bool:
        """Whether a module of `size` bytes may be put here."""
        within = self.used < self.limit if self.share else self.used + size <= self.limit
        return within and self.used + size <= self.free


def plan(
    sizes: Mapping[str, int],
    devices: Sequence[str],
    free: Sequence[int],
    limits: Sequence[float] = (),
    assign: Sequence[Sequence[str]] = (),
) -> dict[str, str]:
    """The device of each module.

    sizes: bytes by name, in the order of the model; free: bytes of each device; limits and assign: see
    `OffloadingConfig`. First each device gets the modules assigned to it, unless they do not all fit there; then the
    others fill one device after another. ConfigError if some fit nowhere.
    """
    rooms = _rooms(devices, free, limits, sum(sizes.values()))
    placed: dict[str, str] = {}
    for room, parts in zip(rooms, assign, strict=False):
        wanted = [name for name in sizes if name not in placed and _matches(name, parts)]
        placed |= _all_or_none(room, wanted, sizes)
    waiting = [name for name in sizes if name not in placed]
    for room in rooms:
        while waiting and room.fits(sizes[waiting[0]]):
            room.used += sizes[waiting[0]]
            placed[waiting.pop(0)] = room.device
    if waiting:
        raise ConfigError(_too_small(waiting, sizes, rooms))
    return {name: placed[name] for name in sizes}


def _rooms(devices: Sequence[str], free: Sequence[int], limits: Sequence[float], total: int) -> list[Room]:
    given = [*limits, *[0.0] * (len(devices) - len(limits))]
    rooms = []
    for device, space, limit in zip(devices, free, given, strict=True):
        share = 0 < limit < 1
        rooms.append(Room(device, space, limit * total if share else limit if limit > 0 else float("inf"), share))
    return rooms


def _all_or_none(room: Room, names: Iterable[str], sizes: Mapping[str, int]) -> dict[str, str]:
    """Put all of `names` into a room, or none of them if one does not fit."""
    used, placed = room.used, {}
    for name in names:
        if not room.fits(sizes[name]):
            room.used = used
            return {}
        room.used += sizes[name]
        placed[name] = room.device
    return placed


def _matches(name: str, parts: Iterable[str]) -> bool:
    return any(part in name for part in parts)


def chosen(names: Iterable[str], include: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """Names with a part of `include` and none of `exclude` in them."""
    within, without = list(include), list(exclude)
    return [name for name in names if _matches(name, within) and not _matches(name, without)]


def _too_small(waiting: Sequence[str], sizes: Mapping[str, int], rooms: Sequence[Room]) -> str:
    missing = sum(sizes[name] for name in waiting)
    more = f" and the {len(waiting) - 1} modules after it" if len(waiting) > 1 else ""
    taken = ", ".join(f"{room.device} has taken {room.used / UNIT:.2f}" for room in rooms)
    return (
        f"optimizations.model_offloading leaves no room for {waiting[0]}{more}: {missing / UNIT:.2f} MiB are missing "
        f"({taken} MiB); add a device, for example cpu, or raise limits"
    )
