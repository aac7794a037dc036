"""A plan as a tree: where each step looks, as of when, before or after a search, and what it cost."""

from memql.catalog import Catalog
from memql.compiled import Compiled, compile_query
from memql.estimating import Estimate
from memql.explain import SCOPE, PlanNode, explained, plan_tree, walked
from memql.plan import walked as operators


def compiled(text: str) -> Compiled:
    made = compile_query(text, Catalog())
    assert isinstance(made, Compiled), made
    return made


def nodes(text: str) -> dict[str, PlanNode]:
    """The nodes of the plan by their operator; of several the last."""
    return {node.operator: node for _, node in walked(plan_tree(compiled(text).plan))}


def test_a_node_says_where_it_looks() -> None:
    """Each store by the name that the documents give it; what only works on rows looks nowhere and sees nothing."""
    found = nodes("MATCH (m:Memory {id: $id})-[:MENTIONS]->(e) WHERE e.name = 'Ada' RETURN e.name AS name")
    assert (found["Lookup"].engine, found["Expand"].engine, found["Filter"].engine) == ("index", "adjacency", "")
    assert (found["Lookup"].sees, found["Filter"].sees) == (SCOPE, "")
    assert nodes("SEARCH m:Memory SIMILAR TO $q, MATCHES $q RETURN m")["Search"].engine == "vectors, texts"
    assert nodes("MATCH (e:Entity) RETURN e")["Scan"].engine == "columns"


def test_before_a_search_and_after_it() -> None:
    """SEARCH … WHERE chooses before, with all that stands beneath; MATCH and WHERE behind it choose after."""
    before = "SEARCH m:Memory MATCHES $q WHERE m.importance > 0.5"
    tree = plan_tree(compiled(f"{before} MATCH (m)-[:MENTIONS]->(e) WHERE e.name = 'Ada' RETURN e").plan)
    told = {(node.operator, node.filtering, node.of, node.role) for _, node in walked(tree) if node.filtering}
    assert ("Scan", "pre", ("m",), "") in told
    assert ("Filter", "pre", ("m",), "pre-filter") in told
    assert ("Expand", "post", ("m",), "") in told


def test_a_node_says_as_of_when_it_reads() -> None:
    """Now, unless the query names a time."""
    assert nodes("MATCH (m:Memory) RETURN m")["Scan"].time == "now"
    found = nodes("AS OF $then MATCH (m:Memory) RETURN m")
    assert (found["Scan"].time, found["Project"].time) == ("as of $then", "")


def test_estimates_reasons_and_what_a_store_is_asked() -> None:
    """They are given from without, by operator, and stand in the text too."""
    made = compiled("MATCH (m:Memory) RETURN m.text")
    scan = next(each for each in operators(made.plan) if type(each).__name__ == "Scan")
    estimates = {id(scan): Estimate(1200, "the fewest of its kind", "MATCH (m) RETURN m.dense")}
    (node,) = (node for _, node in walked(plan_tree(made.plan, None, estimates)) if node.operator == "Scan")
    assert (node.estimated_rows, node.reason) == (1200, "the fewest of its kind")
    text = explained(made, "", None, estimates)
    assert "about 1,200 rows  [columns]  the fewest of its kind" in text
    assert "| MATCH (m) RETURN m.dense" in text


def test_what_each_step_cost() -> None:
    """Its own time is what is left without the steps that it draws on."""
    made = compiled("MATCH (m:Memory) RETURN m.text")
    project, scan = next(operators(made.plan)), [*operators(made.plan)][-2]
    top = plan_tree(made.plan, {id(project): (2, 0.005), id(scan): (3, 0.003)})
    assert (top.rows, top.ms, top.total_ms) == (2, 2.0, 5.0)
    assert [node.rows for _, node in walked(top)] == [2, 3]
