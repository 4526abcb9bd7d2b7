//! Who uses whom, and the circles in it.

use std::collections::{BTreeMap, BTreeSet};

/// From each node to those it uses.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// The circles: each a sorted list of all nodes that reach each other (a strongly connected component of two or more).
pub fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|node| (node.as_str(), reachable(graph, node))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|others| others.contains(to));
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    let mut circles = Vec::new();
    for node in graph.keys() {
        if placed.contains(node.as_str()) {
            continue;
        }
        let circle: Vec<&str> = graph
            .keys()
            .map(String::as_str)
            .filter(|other| *other == node || (reaches(node, other) && reaches(other, node)))
            .collect();
        if circle.len() > 1 {
            placed.extend(&circle);
            circles.push(circle.into_iter().map(str::to_owned).collect());
        }
    }
    circles
}

fn reachable<'g>(graph: &'g Graph, from: &str) -> BTreeSet<&'g str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(node) = open.pop() {
        for next in graph.get(node).into_iter().flatten() {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::{Graph, circles};

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            graph.entry((*to).to_owned()).or_default();
        }
        graph
    }

    #[test]
    fn a_line_has_no_circle() {
        assert!(circles(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    }

    #[test]
    fn each_circle_is_found_once() {
        let found =
            circles(&graph(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c")]));
        assert_eq!(found, [vec!["a", "b"], vec!["c", "d", "e"]]);
    }
}
