"""Settings of decoding, shared by speaking (`inference`) and evaluation (`evaluation.kwargs`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .setting import setting

MODALITIES = ("auto", "ar+nar", "nar-len")


@dataclass(kw_only=True)
class SamplingConfig:
    """How tokens are drawn from the model's predictions."""

    modality: str = setting(
        "auto",
        "How level 0 is decoded: code by code (ar+nar) or masked (nar-len); auto: masked if the model can, unless "
        "it can do both and is named ar+nar.",
        allowed=MODALITIES,
    )
    max_duration: int = setting(900, "Code frames generated at most.", at_least=1, at_most=22_500)
    frames_per_token: float = setting(
        30.0, "Code frames of level 0 for each token of the text at most; 0 leaves it to `max_duration`.", at_least=0
    )
    longest_loop: int = setting(
        300, "Frames over which level 0 may repeat itself before it is ended; 0 never ends it.", at_least=0
    )
    chunk_frames: int = setting(
        0, "Frames that get all their levels together while level 0 goes on; 0 waits for its end.", at_least=0
    )
    chunk_lookahead: int = setting(
        15, "Frames of level 0 that must be known behind such a chunk.", at_least=0, at_most=1000
    )
    max_steps: int = setting(25, "Steps of masked decoding.", at_least=1, at_most=1000)
    max_levels: int = setting(7, "NAR levels decoded after level 0.", at_least=0, at_most=31)
    ar_temperature: float = setting(1.0, "Temperature of level 0; 0 takes the likeliest code.", at_least=0, at_most=10)
    nar_temperature: float = setting(
        0.0, "Temperature of the levels above; 0 takes the likeliest code.", at_least=0, at_most=10
    )
    min_ar_temperature: float = setting(
        -1.0, "Temperature of level 0 where the model is sure; below 0 is off.", at_most=10
    )
    min_nar_temperature: float = setting(-1.0, "The same for the levels above.", at_most=10)
    top_k: int = setting(0, "Draw from the k likeliest codes; 0 draws from all.", at_least=0)
    top_p: float = setting(
        1.0, "Draw from the likeliest codes that hold this probability together.", above=0, at_most=1
    )
    top_no: float = setting(
        0.0, "Draw from codes within this many standard deviations of the likeliest; 0 is off.", at_least=0
    )
    min_p: float = setting(
        0.0, "Leave out codes below this share of the likeliest one's probability.", at_least=0, at_most=1
    )
    repetition_penalty: float = setting(1.0, "Divide the odds of codes already used; 1 is off.", above=0, at_most=10)
    repetition_penalty_decay: float = setting(
        0.0, "Power of the distance by which the penalty grows (above 0) or fades (below 0).", at_least=-2, at_most=2
    )
    length_penalty: float = setting(
        0.0, "Power of the length by which stopping gets harder (above 0) or easier (below 0).", at_least=-2, at_most=2
    )
    beam_width: int = setting(
        0, "Hypotheses of level 0 followed at once to say the best; 0 and 1 follow one.", at_least=0, at_most=100
    )
    beam_length_power: float = setting(
        1.0, "Power of the length that a hypothesis's log-probability is divided by.", at_least=0, at_most=2
    )
    mirostat_tau: float = setting(
        0.0, "Surprise of the codes of level 0 that is aimed at, in bits; 0 is off.", at_least=0, at_most=20
    )
    mirostat_eta: float = setting(
        0.0, "Share of its error that the limit of surprise is moved by at each code.", at_least=0, at_most=1
    )
    ras_window: int = setting(
        0, "Codes of level 0 among which one said too often is drawn anew, without filters; 0 is off.", at_least=0
    )
    ras_threshold: float = setting(0.1, "Share of that window above which it is too often.", at_least=0, below=1)
    dry_multiplier: float = setting(0.0, "Strength of the penalty on repeated runs; 0 is off.", at_least=0)
    dry_base: float = setting(1.75, "Growth of that penalty with the run's length.", at_least=1)
    dry_allowed_length: int = setting(2, "Runs up to this length are free.", at_least=0)
    entropix_sampling: bool = setting(False, "Adapt the draw of level 0 to the entropy of predictions and attention.")
    cfg_strength: float = setting(
        0.0, "Guidance away from what the model says without text and prompt; 0 is off.", at_least=0
    )
    minimum_cfg_strength: float = setting(
        3.0, "Guidance of masked decoding at least, which says little with less.", at_least=0
    )
    cfg_rescale: float = setting(
        0.75, "Share by which guided predictions get their spread back.", at_least=0, at_most=1
    )
    layer_skip: bool = setting(False, "Leave the backbone early where the model is sure.")
    layer_skip_exit_layer: int | None = setting(None, "Last layer computed at most.", at_least=0)
    layer_skip_entropy_threshold: float = setting(0.1, "Entropy below which it is sure, in bits.", at_least=0)
    layer_skip_varentropy_threshold: float = setting(
        0.1, "Variance of the surprise below which it is sure.", at_least=0
    )
    speculative_layers: int = setting(
        0,
        "First layers that draft codes of level 0, which all layers check: the same codes, sooner; 0 is off.",
        at_least=0,
    )
    speculative_codes: int = setting(4, "Codes drafted at a time.", at_least=1, at_most=64)
    use_lora: bool | None = setting(
        None, "Speak with all adapters (true) or none (false) at every level; null has each speak at its rvq_levels."
    )
    refine_on_stop: bool = setting(False, "Take the likeliest code of every frame of level 0 once it is all said.")
    remasking: bool = setting(True, "Masked decoding hides one step's share of frames more at every step.")
    annealed_sampling: bool = setting(True, "The temperature of masked decoding falls to 0 at the last step.")
    denoise_start: float = setting(0.0, "Share of masked decoding that is skipped.", at_least=0, below=1)

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.refine_on_stop and self.chunk_frames:
            yield f"refine_on_stop=true needs chunk_frames=0, not {self.chunk_frames}: what is final cannot be refined"
        yield from self._layer_problems()
        yield from self._sampler_problems()

    @property
    def by_code(self) -> list[str]:
        """The settings in use that choose codes of level 0 one by one in a way of their own, as they are typed."""
        ways = {
            f"beam_width={self.beam_width}": self.beam_width > 1,
            "entropix_sampling=true": self.entropix_sampling,
            f"mirostat_tau={self.mirostat_tau}": self.mirostat_tau > 0,
            f"ras_window={self.ras_window}": self.ras_window > 0,
        }
        return [way for way, used in ways.items() if used]

    def _sampler_problems(self) -> Iterator[str]:
        ways = self.by_code
        if len(ways) > 1:
            yield f"{ways[0]} does not go with {ways[1]}: codes are chosen in one way"
        if ways and self.modality.lower() == "nar-len":
            yield f"{ways[0]} does not go with modality=nar-len: masked decoding chooses codes in its own way"
        if self.beam_width > 1 and self.chunk_frames:
            yield (
                f"beam_width={self.beam_width} needs chunk_frames=0, not {self.chunk_frames}: "
                "which hypothesis is said is known at its end"
            )
        if (self.entropix_sampling or self.mirostat_tau) and not self.ar_temperature:
            yield f"{ways[0]} needs ar_temperature above 0, which takes the likeliest code"
        if self.entropix_sampling and self.min_ar_temperature >= 0:
            yield (
                f"min_ar_temperature={self.min_ar_temperature} does not go with entropix_sampling=true, which sets the "
                "temperature itself"
            )
        if self.mirostat_tau and not self.mirostat_eta:
            yield f"mirostat_tau={self.mirostat_tau} needs mirostat_eta above 0, for example 0.1"

    def _layer_problems(self) -> Iterator[str]:
        drafting = f"speculative_layers={self.speculative_layers}"
        others = {"cfg_strength=0": self.cfg_strength > 0, "layer_skip=false": self.layer_skip}
        for needed, broken in others.items():
            if self.speculative_layers and broken:
                yield f"{drafting} needs {needed}"
        for way in self.by_code:
            if self.speculative_layers and not way.startswith("ras_window"):
                yield f"{drafting} does not go with {way}"
            elif self.layer_skip and way.startswith(("beam_width", "entropix")):
                yield f"layer_skip=true does not go with {way}"
