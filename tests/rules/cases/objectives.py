"""Cases of the alerts on the promised latency."""

from tests.rules.cases.case import Case, Kind, Series, d


def _burn(alert: str, slo: str) -> tuple[Case, ...]:
    name = "v4_slo_requests_total"
    met, undecided = (d(name, slo=slo, verdict=each) for each in ("met", "undecided"))

    def counted(missed: str, in_time: str, unclear: str = "0x500") -> Series:
        return {
            d("v4_slo_target_ratio", slo=slo): "0.99x500",
            d(name, slo=slo, verdict="missed"): missed,
            met: in_time,
            undecided: unclear,
        }

    def silent(kind: Kind, words: str, series: Series, *minutes: int) -> Case:
        return Case(alert=alert, kind=kind, name=words, series=series, silent=minutes)

    return (
        Case(
            alert=alert,
            kind=Kind.FIRES,
            name="every second request late, and in time again",
            series=counted("0x59 0+30x40 1200+0x400", "0+60x59 3600+30x40 4800+60x400"),
            fires=(90,),
            silent=(59, 61, 490),
            needless=(met, undecided),
        ),
        silent(
            Kind.LOAD_SWING,
            "one in two hundred, as promised, under a load swing",
            counted("0+0.3x60 18+1.2x60 90+0.3x100", "0+60x60 3600+240x60 18000+60x100"),
            *(60, 90, 120, 180),
        ),
        silent(
            Kind.COUNTER_RESET,
            "counters begin again with a new leader",
            counted("0+0.3x60 0+0.3x100", "0+60x60 0+60x100"),
            *(60, 61, 62, 70, 160),
        ),
        silent(
            Kind.RESTART,
            "a gap of five minutes, and from nothing again",
            counted("0+0.3x60 stale _x4 0+0.3x100", "0+60x60 stale _x4 0+60x100"),
            *(60, 63, 66, 70, 160),
        ),
        silent(
            Kind.OTHER,
            "what the buckets do not tell counts as met",
            counted("0x200", "0+30x200", "0+30x200"),
            *(100, 200),
        ),
        silent(
            Kind.OTHER,
            "a handful of requests says nothing",
            counted("0+0.05x200", "0+0.05x200"),
            *(100, 200),
        ),
    )


CASES = (
    *_burn("V4TTFTBudgetBurn", "ttft"),
    *_burn("V4InterTokenLatencyBudgetBurn", "inter-token-latency"),
)
