"""Options of manual pages in the three forms they are written in, by hand."""

from mason.catalog.datasets.man_options import first_sentence, questions_of, shortened
from mason.catalog.roff import Option, options_of, plain

PAGE = r"""
.TH LS 1
.SH OPTIONS
.TP
\fB\-a\fR, \fB\-\-all\fR
do not ignore entries. It's \(lqall\(rq.
More here.
.TP
.BI \-\-block\-size= SIZE
Scale sizes by \fISIZE\fR before printing them.
.IP "\fB\-C\fR"
List entries by columns.
.PP
\fB\-\-quiet\fR, \fB\-q\fR
.RS 4
Only print error and warning messages\&. All other output is gone\&.
.RE
.TP
not an option
Text of something else.
.SH SEE ALSO
"""


def test_options_by_hand() -> None:
    assert list(options_of(PAGE)) == [
        Option("-a, --all", ("-a", "--all"), "do not ignore entries. It's “all”. More here."),
        Option("--block-size=SIZE", ("--block-size",), "Scale sizes by SIZE before printing them."),
        Option("-C", ("-C",), "List entries by columns."),
        Option(
            "--quiet, -q",
            ("--quiet", "-q"),
            "Only print error and warning messages. All other output is gone.",
        ),
    ]


def test_escapes() -> None:
    assert plain(r"\fBa\fP\-b \(aqc\(aq \[em] d\&.") == "a-b 'c' — d."
    assert plain(r".BR \-x ,") == "-x,"
    assert plain(r".B a b") == "a b"


def test_sentences() -> None:
    assert first_sentence("Print the name of it. Then stop.") == "Print the name of it."
    assert first_sentence("See e.g. this one or that. Go.") == "See e.g. this one or that."
    assert first_sentence("Too short.") is None
    long = "One two three four. " * 50
    assert len(shortened(long)) <= 600 and shortened(long).endswith(".")


def test_questions_have_their_answers_word_for_word() -> None:
    asked = list(questions_of("ls", list(options_of(PAGE))))
    assert len(asked) == 4
    for question, context, answer, start in asked:
        assert context.startswith(answer, int(start)) and " of ls do?" in question
    assert asked[0][0] == "What does the option --all of ls do?"
    assert asked[0][2] == "do not ignore entries."
