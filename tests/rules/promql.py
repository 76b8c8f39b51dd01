"""What an expression of PromQL is made of."""

import promql_parser

# Where promql-parser keeps what stands below a node; `args` are a list.
_BELOW = ("lhs", "rhs", "expr", "param", "vector_selector")


def metrics(node: object) -> set[str]:
    """Names of series in an expression."""
    return {n.name for n in walk(node) if isinstance(n, promql_parser.VectorSelector) and n.name}


def calls(node: object) -> set[str]:
    """Names of functions in an expression."""
    return {n.func.name for n in walk(node) if isinstance(n, promql_parser.Call)}


def walk(node: object) -> list[object]:
    """The node and all below it."""
    below = [getattr(node, name, None) for name in _BELOW]
    below += list(getattr(node, "args", None) or ())
    return [node, *(each for child in below if child is not None for each in walk(child))]
