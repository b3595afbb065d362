"""The check of comments finds each kind of comment, and reads only its start."""

import pytest

from tests.english import comments_of, violations

PYTHON = '''
"""Whether it runs."""

SIZE = 1  # how many there are
LIMIT = 2  # those that wait
"""Of all sizes the largest."""

# Waits, since
# what runs must end.
def run() -> str:
    """Return the name of who runs."""
    return "# What a string says"


class Runner:
    """Those that run.

    What follows is explained.
    """
'''
SQL = """
-- name: find_runs
-- What runs.
-- Locks: none.
select '--what' as run;

-- A range scan,
-- whether sold or not.
comment on table runs is 'Who runs';
comment on column runs.name is 'Name of the run';
"""
JAVASCRIPT = """
const site = 'http://what.example' // whose site it is
// Runs,
// of course.
/** What is left. */
/**
 * Whether it runs.
 * @returns {boolean}
 */
/* The rest. */
/**
 * Run.
 * @param {string} name Whether it has a name.
 * @param {{ size: { of: number } }} [options] - what may be set
 * @param {number} of
 * @param {number} what The number of runs.
 * @property {() => void} end those that end
 * @typedef {Pick<Run, "name">} RunName Whose name it is.
 * @returns {Promise<string>} Of all names the first.
 * @returns {boolean} True if it runs.
 */
"""
CSS = """
/* Of two rules the first. */
a { color: red } /* what a link
   is like */
/* The links
   of the page. */
"""
HASHES = """
# Runs,
# of course.
run: all  ## What runs
key: value#whose

# Whether it runs.
"""
MARKDOWN = """Whose page it is.

# Who reads

It runs. What
it runs is `what`.

- Of two items the first.
- The other, of course.
  1. whether it runs

```sh
what --runs
```

| What | of |

What follows is prose.
"""


@pytest.mark.parametrize(
    ("path", "source", "lines"),
    [
        ("a.py", PYTHON, [2, 4, 5, 6, 16]),
        ("a.sql", SQL, [3, 9]),
        ("a.js", JAVASCRIPT, [2, 5, 7, 13, 14, 17, 18, 19]),
        ("a.css", CSS, [2, 3]),
        ("a.conf", HASHES, [4, 7]),
        ("a.yml", HASHES, [4, 7]),
        ("a.toml", HASHES, [4, 7]),
        ("a.md", MARKDOWN, [1, 3, 5, 8, 10, 18]),
        ("Makefile", HASHES, [4, 7]),
    ],
)
def test_comments_that_start_with_a_noun_clause_are_found(path: str, source: str, lines: list[int]) -> None:
    assert sorted(int(each.split(":")[1]) for each in violations(path, source)) == lines


def test_the_rest_of_a_comment_is_free() -> None:
    source = "# Waits, as Of is no start.\n# Whoever and Offers are other words.\n"
    assert violations("a.py", source) == []
    assert [comment.line for comment in comments_of("a.py", source)] == [1]
