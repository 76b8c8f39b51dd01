from v4operator.simulate.histogram import Histogram


def test_a_value_on_an_edge_belongs_to_that_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.add(1.0)
    histogram.add(1.5, 3)
    histogram.add(9.0)
    assert histogram.counts == [1, 3, 1]
    assert histogram.cumulative() == [1, 4, 5]
    assert (histogram.count, histogram.total) == (5, 14.5)


def test_a_ramp_is_split_where_it_crosses_an_edge() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.add_ramp(0.55, 0.1, 20, 2)  # 0.55 .. 2.45: 5 up to 1.0, 10 up to 2.0, 5 beyond
    assert histogram.counts == [10, 20, 10]


def test_a_copy_is_independent() -> None:
    histogram = Histogram((1.0,))
    twin = histogram.copy()
    twin.add(0.5)
    assert (histogram.count, twin.count) == (0, 1)
