"""How one replica is spread over devices."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Parallelism of one replica.

    `tensor` is the attention tensor-parallel size within one data-parallel rank, `data` the number
    of data-parallel attention ranks, `pipeline` the number of stages. With `expert` the routed
    experts are spread over all devices of a stage instead of being sliced by `tensor` alone.
    """

    tensor: int = 1
    data: int = 1
    pipeline: int = 1
    expert: bool = False

    @property
    def devices(self) -> int:
        """Devices that one replica occupies."""
        return self.tensor * self.data * self.pipeline

    @property
    def label(self) -> str:
        """Short name as people write it: TP4, DEP8, TP4xPP2."""
        attention = f"DEP{self.data}" if self.data > 1 and self.tensor == 1 else f"TP{self.tensor}"
        if self.data > 1 and self.tensor > 1:
            attention = f"DP{self.data}xTP{self.tensor}"
        if self.expert and self.data == 1:
            attention = f"TEP{self.tensor}"
        return attention if self.pipeline == 1 else f"{attention}xPP{self.pipeline}"
