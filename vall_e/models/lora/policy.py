"""Which linear maps of a backbone adapters are added to."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Policy:
    """Parts of module names that are taken, and those that are not even so."""

    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether the module called `name` is adapted."""
        return not any(part in name for part in self.exclude) and any(part in name for part in self.include)


POLICIES = {
    "llama": Policy(include=("self_attn", "mlp"), exclude=("self_attn.k_proj",)),
    "retnet": Policy(include=("layers.",), exclude=("retention.k_proj",)),
}
EVERYTHING = Policy(include=("",))


def adapted_linears(backbone: nn.Module, arch_type: str) -> dict[str, nn.Linear]:
    """The linear maps of a backbone that get low-rank additions, by name; of llama six a layer."""
    policy = POLICIES.get(arch_type, EVERYTHING)
    return {
        name: module
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear) and policy.takes(name)
    }
