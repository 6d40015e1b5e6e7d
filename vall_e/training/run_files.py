"""Where the files of a run lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vall_e.config.hub import weights_path
from vall_e.config.schema import Config
from vall_e.errors import WeightsError


@dataclass(frozen=True)
class RunFiles:
    """Below the folder of a run: `ckpt/<full name of what is trained>/`."""

    cfg: Config
    folder: Path

    @property
    def adapters(self) -> list[str]:
        """Names of the adapters in training."""
        return [name for name, lora in self.cfg.loras.items() if lora.training]

    @property
    def adapters_alone(self) -> bool:
        """Whether nothing but adapters is trained."""
        return bool(self.adapters) and not self.cfg.model.frozen_params

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints and exports lie: of the model, or of the first adapter in training."""
        trained = [self.cfg.loras[name].full_name for name in self.adapters]
        return self.folder / "ckpt" / (trained[0] if trained else self.cfg.model.full_name)

    @property
    def weights(self) -> Path:
        """The exported weights."""
        return self.checkpoints / self._exported

    @property
    def base(self) -> Path:
        """The exported weights of the model, as a run without adapters in this folder leaves them."""
        return self.folder / "ckpt" / self.cfg.model.full_name / self._exported

    def adapter(self, name: str) -> Path:
        """The exported adapter of that name."""
        return self.folder / "ckpt" / self.cfg.loras[name].full_name / f"lora.{self.cfg.weights_format}"

    def to_start_from(self) -> Path | None:
        """The weights that a run without a checkpoint begins with; None for fresh ones.

        WeightsError if `trainer.load_state_dict` wants what was never exported.
        """
        given, exported = self.cfg.weights and weights_path(self.cfg.weights), self.cfg.trainer.load_state_dict
        if not self.adapters_alone:
            return self._there(self.weights) if exported else given or None
        if exported and not given:
            return self._there(self.base)
        return given or (self.base if self.base.is_file() else None)

    def adapters_to_start_from(self) -> dict[str, Path]:
        """Exported adapters by name, if `trainer.load_state_dict` wants them; WeightsError as above."""
        wanted = self.adapters if self.cfg.trainer.load_state_dict else []
        return {name: self._there(self.adapter(name)) for name in wanted}

    @property
    def _exported(self) -> str:
        return f"{self.cfg.weights_name}.{self.cfg.weights_format}"

    def _there(self, path: Path) -> Path:
        if not path.is_file():
            raise WeightsError(f"trainer.load_state_dict=true wants the exported weights {path}: no such file")
        return path
