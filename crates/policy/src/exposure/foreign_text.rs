//! How far the text of a function in an untrusted language reaches: to files and programs, to nothing but the database, or who knows.

/// How far it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Programs, files or sockets.
    Outside,
    /// It uses something of which that cannot be said.
    Unknown,
    /// It computes, and asks the database with the rights that any function has.
    Nothing,
}

/// What reaches programs, files or sockets, wherever it stands.
const OUTSIDE: &[&str] = &[
    "open(",
    "subprocess",
    "os.system",
    "os.popen",
    "popen",
    "system(",
    "exec ",
    "exec(",
    "`",
    "qx",
    "socket",
    "#!/",
    "system \"",
    "system '",
    "system $",
    "sysopen",
    "opendir",
    "readpipe",
    "urllib",
    "shutil",
    "pathlib",
    "ctypes",
    "open my",
    "open (",
    "open my",
    "open (",
];

/// Words by which a text of Python may come to anything.
const PYTHON: &[&str] = &[
    "eval",
    "exec",
    "compile",
    "getattr",
    "globals",
    "locals",
    "vars",
    "importlib",
    "breakpoint",
    "input",
];

/// Modules of Python that compute.
const COMPUTE: &[&str] = &[
    "json",
    "math",
    "re",
    "datetime",
    "decimal",
    "itertools",
    "functools",
    "collections",
    "string",
    "random",
    "hashlib",
    "uuid",
    "statistics",
    "time",
    "unicodedata",
    "textwrap",
    "base64",
    "fractions",
    "operator",
    "hmac",
    "zlib",
    "binascii",
    "typing",
    "copy",
    "calendar",
    "plpy",
];

/// Words by which a text of Perl may come to anything.
const PERL: &[&str] = &[
    "eval", "do", "require", "use", "no", "glob", "stat", "fork", "kill", "unlink", "rename", "mkdir",
    "rmdir", "syscall", "chdir", "dump", "link", "symlink", "readlink", "chmod", "chown", "select",
    "dbmopen", "ENV", "__FILE__", "open", "system",
];

/// Modules of Perl that compute, or switch something within the text.
const PRAGMAS: &[&str] = &["strict", "warnings", "utf8", "integer", "bigint", "feature"];

/// Whether a line of Python imports nothing but what computes.
fn imports_known(line: &str) -> bool {
    let line = line.trim();
    let computes = |module: &str| COMPUTE.contains(&module.trim());
    if let Some(modules) = line.strip_prefix("import ") {
        return modules.split(',').all(computes);
    }
    if let Some((module, names)) = line
        .strip_prefix("from ")
        .and_then(|rest| rest.split_once(" import "))
    {
        return computes(module) && !names.contains(';');
    }
    !line
        .split(|sign: char| !sign.is_alphanumeric())
        .any(|word| word == "import")
}

/// Reads a text in a language.
pub(crate) fn reach(language: &str, text: &str) -> Reach {
    if OUTSIDE.iter().any(|word| text.contains(word)) {
        return Reach::Outside;
    }
    let words: Vec<&str> = text
        .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let known = match language {
        "plpython3u" | "plpython2u" | "plpythonu" => {
            text.lines().all(imports_known)
                && !words
                    .iter()
                    .any(|word| PYTHON.contains(word) || word.contains("__"))
        }
        "plperlu" => {
            let reads_files =
                text.contains('<') && text.contains('>') && !text.contains("->") && !text.contains("=>");
            let tests_files = ["-e ", "-f ", "-r ", "-s ", "-d "]
                .iter()
                .any(|test| text.contains(test));
            let used = |at: usize| words.get(at + 1).is_some_and(|module| PRAGMAS.contains(module));
            !reads_files
                && !tests_files
                && words.iter().enumerate().all(|(at, word)| match *word {
                    "use" | "no" => used(at),
                    word => !PERL.contains(&word),
                })
        }
        _ => false,
    };
    if known { Reach::Nothing } else { Reach::Unknown }
}

#[cfg(test)]
mod tests {
    use super::{Reach, reach};

    #[test]
    fn what_only_computes_reaches_nothing() {
        for (language, text) in [
            ("plpython3u", "return a + b"),
            ("plpython3u", "\nimport json\nreturn json.dumps({'a': a})"),
            ("plpython3u", "from datetime import date\nreturn date.today()"),
            (
                "plpython3u",
                "return plpy.execute(\"SELECT name FROM records.people\")[0]['name']",
            ),
            ("plperlu", "my ($a) = @_; return $a * 2"),
            (
                "plperlu",
                "use strict; my $r = spi_exec_query('SELECT 1'); return $r->{rows}[0]->{x}",
            ),
        ] {
            assert_eq!(reach(language, text), Reach::Nothing, "{text}");
        }
        for (language, text) in [
            ("plpython3u", "import os\nreturn os.listdir('/')"),
            ("plpython3u", "import json, os\nreturn os.environ['PGPASSWORD']"),
            ("plpython3u", "return eval(a)"),
            ("plpython3u", "return ().__class__"),
            ("plpython3u", "from os import listdir\nreturn listdir(a)"),
            ("plperlu", "use File::Slurp; return read_file($_[0])"),
            ("plperlu", "return <STDIN>"),
            ("plperlu", "return do $_[0]"),
            ("pltclu", "return [expr 1]"),
        ] {
            assert_eq!(reach(language, text), Reach::Unknown, "{text}");
        }
        for (language, text) in [
            (
                "plpython3u",
                "import subprocess\nreturn subprocess.check_output(a)",
            ),
            ("plpython3u", "return open(a).read()"),
            ("plperlu", "open my $f, '<', $_[0]; return <$f>"),
            ("plperlu", "return `$_[0]`"),
        ] {
            assert_eq!(reach(language, text), Reach::Outside, "{text}");
        }
    }
}
