//! The modules of a crate, and which file uses what another one defines.
//!
//! A path counts as a use of the file that defines its end: what a module passes on by `pub use` belongs to the file that
//! it comes from. To declare a module, to pass its names on, and to name it as the beginning of a path is no use of it.
//! Unit tests count for nothing: they stand beside what they test.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::graph::Graph;
use crate::tokens::{self, Token};
use crate::tree::Tree;

/// A crate, or a program beside a crate's library.
#[derive(Debug)]
pub struct Crate {
    /// The first is the outermost.
    modules: Vec<Module>,
    files: Vec<File>,
}

#[derive(Debug)]
pub struct File {
    pub path: String,
    /// Without what is only built for tests.
    pub tokens: Vec<Token>,
    pub only_for_tests: bool,
}

#[derive(Debug, Default)]
struct Module {
    file: usize,
    parent: usize,
    children: HashMap<String, usize>,
    /// What `use` brings, by its name here.
    imports: HashMap<String, Import>,
    globs: Vec<Vec<String>>,
    defined: HashSet<String>,
    /// The paths in everything but its `use` declarations.
    paths: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Import {
    path: Vec<String>,
    passed_on: bool,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Module(usize),
    /// Something that this file defines.
    In(usize),
}

/// Follows no more `use` declarations than this from one name: some may lead back to themselves.
const MOST_STEPS: usize = 64;

impl Crate {
    /// Reads the crate whose outermost file is `root`. The error names a file that is missing or is no Rust.
    pub fn read(tree: &Tree, root: &str) -> Result<Self, String> {
        let mut new = Self { modules: Vec::new(), files: Vec::new() };
        new.read_file(tree, root.to_owned(), 0, false)?;
        Ok(new)
    }

    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// From each file to those that it uses.
    pub fn uses(&self) -> Graph {
        let mut edges: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate() {
            let imports =
                module.imports.values().filter(|import| !import.passed_on).map(|import| &import.path);
            for path in imports.chain(&module.paths) {
                if let Some(Named::In(file)) = self.resolve(at, path, MOST_STEPS)
                    && file != module.file
                {
                    edges.entry(module.file).or_default().insert(file);
                }
            }
        }
        let name = |file: usize| self.files[file].path.clone();
        let files = (0..self.files.len()).filter(|file| !self.files[*file].only_for_tests);
        files
            .map(|file| (name(file), edges.remove(&file).into_iter().flatten().map(name).collect()))
            .collect()
    }

    fn read_file(
        &mut self,
        tree: &Tree,
        path: String,
        parent: usize,
        only_for_tests: bool,
    ) -> Result<usize, String> {
        let text = tree.text(&path).ok_or_else(|| format!("{path} is missing"))?;
        let source = tokens::read(text).map_err(|error| format!("{path}: {error}"))?;
        let file = self.files.len();
        self.files.push(File { path, tokens: Vec::new(), only_for_tests });
        let folder = folder_of_children(&self.files[file].path);
        let module = self.read_module(tree, &source.tokens, file, parent, &folder)?;
        for name in source.test_modules {
            let child = file_of_module(tree, &folder, &name)?;
            self.read_file(tree, child, module, true)?;
        }
        self.files[file].tokens = source.tokens;
        Ok(module)
    }

    fn read_module(
        &mut self,
        tree: &Tree,
        tokens: &[Token],
        file: usize,
        parent: usize,
        folder: &str,
    ) -> Result<usize, String> {
        let at = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        let only_for_tests = self.files[file].only_for_tests;
        let mut module = Module::default();
        let mut rest = tokens;
        while !rest.is_empty() {
            let (item, after) = rest.split_at(length_of_item(rest));
            rest = after;
            let passed_on = item[0].is_word("pub");
            match tokens::kind_of_item(item) {
                Some("use") => module.import(after_word(item, "use"), passed_on),
                Some("mod") => {
                    let (name, inner) = match after_word(item, "mod") {
                        [Token::Word(name), content, ..] => (name, content.braced()),
                        _ => return Err(format!("{}: a module without a name", self.files[file].path)),
                    };
                    let child = match inner {
                        Some(inner) => {
                            self.read_module(tree, inner, file, at, &format!("{folder}/{name}"))?
                        }
                        None => {
                            let path = file_of_module(tree, folder, name)?;
                            self.read_file(tree, path, at, only_for_tests)?
                        }
                    };
                    module.children.insert(name.to_owned(), child);
                }
                kind => {
                    module.define(kind.unwrap_or("impl"), item);
                    module.see(item);
                }
            }
        }
        self.modules[at] = Module { file, parent, ..module };
        Ok(at)
    }

    fn resolve(&self, from: usize, path: &[String], steps: usize) -> Option<Named> {
        let mut at = from;
        let mut rest = path;
        while let [first, after @ ..] = rest {
            match first.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = self.modules[at].parent,
                _ => break,
            }
            rest = after;
        }
        if rest.is_empty() {
            return Some(Named::Module(at));
        }
        let found = self.look_in(at, rest, steps);
        // A path that begins in this crate names something of the module, even if a macro made it.
        found.or_else(|| (rest.len() < path.len()).then_some(Named::In(self.modules[at].file)))
    }

    /// What `path` names in a module; none if that is something outside of the crate.
    fn look_in(&self, module: usize, path: &[String], steps: usize) -> Option<Named> {
        let steps = steps.checked_sub(1)?;
        let (name, rest) = path.split_first()?;
        let here = &self.modules[module];
        let import = here.imports.get(name).and_then(|import| {
            // `use x::x`: the name is looked for where it comes from.
            (import.path.first() != Some(name) || here.children.contains_key(name))
                .then(|| self.resolve(module, &import.path, steps))
                .flatten()
        });
        let child = here.children.get(name);
        match (child, import) {
            // A function may have the name of a module: only the path's end tells which is meant.
            (Some(_), Some(Named::In(file))) if rest.is_empty() => Some(Named::In(file)),
            (Some(child), _) => self.go_on(*child, rest, steps),
            (None, Some(Named::Module(passed_on))) => self.go_on(passed_on, rest, steps),
            (None, Some(Named::In(file))) => Some(Named::In(file)),
            (None, None) if here.defined.contains(name) => Some(Named::In(here.file)),
            (None, None) => here.globs.iter().find_map(|glob| match self.resolve(module, glob, steps)? {
                Named::Module(other) if other != module => self.look_in(other, path, steps),
                _ => None,
            }),
        }
    }

    fn go_on(&self, module: usize, rest: &[String], steps: usize) -> Option<Named> {
        match rest {
            [] => Some(Named::Module(module)),
            _ => Some(self.look_in(module, rest, steps).unwrap_or(Named::In(self.modules[module].file))),
        }
    }
}

impl Module {
    fn define(&mut self, kind: &str, item: &[Token]) {
        let place = item.iter().position(|token| token.is_word(kind));
        let mut names = item.iter().skip(place.map_or(item.len(), |place| place + 1)).filter_map(Token::word);
        if kind != "impl" {
            self.defined.extend(names.find(|name| *name != "mut").map(str::to_owned));
        }
    }

    fn import(&mut self, tree: &[Token], passed_on: bool) {
        let mut found = Vec::new();
        read_use(tree, &mut Vec::new(), &mut found);
        for (path, name) in found {
            match name.as_str() {
                "*" => self.globs.push(path),
                _ => {
                    self.imports.insert(name, Import { path, passed_on });
                }
            }
        }
    }

    /// Notes the paths in a list of tokens and in all groups within, and what is imported there.
    fn see(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                Token::Group(_, inner) => self.see(inner),
                Token::Word(word) if word == "use" => {
                    let length = tokens[at..].iter().position(|token| token.is_mark(';'));
                    let end = length.map_or(tokens.len(), |length| at + length);
                    self.import(&tokens[at + 1..end], false);
                    at = end;
                }
                Token::Word(word) => {
                    let begins = at == 0
                        || !(tokens[at - 1].is_mark('.')
                            || tokens[at - 1].is_mark(':') && at > 1 && tokens[at - 2].is_mark(':'));
                    let lifetime = at > 0 && tokens[at - 1].is_mark('\'');
                    let mut path = vec![word.clone()];
                    while let [a, b, Token::Word(next), ..] = &tokens[at + 1..]
                        && a.is_mark(':')
                        && b.is_mark(':')
                    {
                        path.push(next.clone());
                        at += 3;
                    }
                    if begins && !lifetime {
                        self.paths.push(path);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// The paths of a `use` declaration, each with its name here, or `*`.
fn read_use(tree: &[Token], before: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let outer = before.len();
    let mut name: Option<String> = None;
    let mut at = 0;
    let end = |before: &mut Vec<String>, name: &mut Option<String>, found: &mut Vec<_>| {
        if let Some(name) = name.take() {
            let path = before.iter().filter(|part| *part != "self" || before.first() == Some(part)).cloned();
            let path: Vec<String> = path.collect();
            let name = match name.as_str() {
                "self" => before.get(before.len().saturating_sub(2)).cloned().unwrap_or_default(),
                _ => name,
            };
            found.push((path, name));
        }
        before.truncate(outer);
    };
    while at < tree.len() {
        match &tree[at] {
            Token::Word(word) if word == "as" => {
                name = tree.get(at + 1).and_then(Token::word).map(str::to_owned);
                at += 1;
            }
            Token::Word(word) => {
                before.push(word.clone());
                name = Some(word.clone());
            }
            Token::Mark('*') => name = Some("*".to_owned()),
            Token::Group('{', inner) => {
                name = None;
                read_use(inner, before, found);
            }
            Token::Mark(',') => end(before, &mut name, found),
            _ => {}
        }
        at += 1;
    }
    end(before, &mut name, found);
}

/// How many tokens the first item has.
fn length_of_item(tokens: &[Token]) -> usize {
    let holds_braces = tokens::kind_of_item(tokens).is_some_and(tokens::holds_braces);
    let end =
        tokens.iter().position(|token| token.is_mark(';') || (token.braced().is_some() && !holds_braces));
    end.map_or(tokens.len(), |end| end + 1)
}

fn after_word<'t>(item: &'t [Token], word: &str) -> &'t [Token] {
    let place = item.iter().position(|token| token.is_word(word));
    place.map_or(&[], |place| &item[place + 1..])
}

fn folder_of_children(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

fn file_of_module(tree: &Tree, folder: &str, name: &str) -> Result<String, String> {
    let places = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
    places
        .into_iter()
        .find(|path| tree.text(path).is_some())
        .ok_or(format!("no file of the module {folder}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::Crate;
    use crate::graph::circles;
    use crate::tree::Tree;

    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        let uses = Crate::read(&Tree::of(files), "src/lib.rs").unwrap().uses();
        let pairs = uses.iter().flat_map(|(from, to)| to.iter().map(move |to| format!("{from} {to}")));
        pairs.map(|pair| pair.replace("src/", "").replace(".rs", "")).collect()
    }

    #[test]
    fn a_circle_of_two_files_is_found() {
        let files = [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B; pub struct A(B);"),
            ("src/b.rs", "pub struct B; impl B { fn a() -> super::a::A { todo!() } }"),
        ];
        let uses = Crate::read(&Tree::of(&files), "src/lib.rs").unwrap().uses();
        assert_eq!(circles(&uses), [["src/a.rs", "src/b.rs"]]);
    }

    #[test]
    fn a_name_that_is_passed_on_belongs_to_the_file_that_defines_it() {
        let found = edges(&[
            ("src/lib.rs", "mod a; mod b; pub use a::{A as Passed, f}; pub use b::*;"),
            ("src/a/mod.rs", "mod deep; pub use deep::{A, f};"),
            ("src/a/deep.rs", "pub struct A; pub fn f() {}"),
            ("src/b.rs", "use crate::Passed; fn g() { crate::f() }"),
        ]);
        assert_eq!(found, ["b a/deep"]);
    }

    #[test]
    fn a_module_that_uses_what_it_passes_on_uses_its_file() {
        let found = edges(&[
            ("src/lib.rs", "mod a; pub use a::A; struct B(A);"),
            ("src/a.rs", "pub struct A; fn f(_: super::B) {}"),
        ]);
        assert_eq!(found, ["a lib", "lib a"]);
    }

    #[test]
    fn paths_through_modules_globs_functions_and_macros_are_followed() {
        let found = edges(&[
            ("src/lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
            ("src/a.rs", "use crate::{b, c}; fn f() { b::f(); let x = c::inner::C; }"),
            ("src/b.rs", "use super::c::*; pub fn f(_: C) {}"),
            ("src/c.rs", "pub struct C; pub mod inner { pub struct C; }"),
            ("src/d.rs", "fn f() { use crate::a as other; other::f() }"),
            ("src/e.rs", "macro_rules! m { () => { $crate::d::f() } } fn g() { log!(x = crate::c::C) }"),
        ]);
        assert_eq!(found, ["a b", "a c", "b c", "d a", "e c", "e d"]);
    }

    #[test]
    fn declarations_names_of_modules_and_unit_tests_are_no_uses() {
        let found = edges(&[
            ("src/lib.rs", "mod a; mod b; mod c; fn f() { let a = 1; a + 1; }"),
            ("src/a.rs", "use crate::b; #[cfg(test)] mod tests { use crate::c::C; }"),
            ("src/b.rs", "#[cfg(test)] mod only_tests; pub struct B;"),
            ("src/b/only_tests.rs", "use crate::a::A;"),
            ("src/c.rs", "pub struct C { c: b::OfAnotherCrate }"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_missing_file_is_an_error() {
        assert_eq!(
            Crate::read(&Tree::of(&[("src/lib.rs", "mod a;")]), "src/lib.rs").unwrap_err(),
            "no file of the module src/a"
        );
    }
}
