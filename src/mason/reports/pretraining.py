"""What was learned from text alone, and from how much."""

from mason.language import say
from mason.reports.markup import Part, facts
from mason.reports.numbers import count, decimal, percent
from mason.reports.schema import Results


def pretraining(results: Results) -> Part | None:
    """The objective, the loss beside the simplest rival, and the corpus."""
    found = results.pretraining
    if found is None:
        return None
    corpus = found.corpus
    rows = [
        (say("Objective"), f"{found.objective} ({found.paper})"),
        *([(say("Shape"), found.shape)] if found.shape else []),
        (say("Loss on held-out text, nats a target"), decimal(found.held_loss, 4)),
        (say("The same from token frequencies alone"), decimal(found.unigram_loss, 4)),
        (say("Tokens seen in training"), count(found.tokens_seen)),
        (say("Tokens in the corpus"), count(corpus.num_tokens)),
        (say("Documents"), count(corpus.num_documents)),
        (say("Copies left out"), count(corpus.num_copies)),
        (say("Near copies left out"), count(corpus.num_near_copies)),
        (say("Left out by the rules of quality"), count(corpus.num_poor)),
        (say("Left out for a passage of the evaluation texts"), count(corpus.num_excluded)),
        *(
            (
                say("{source}, {weight} times an epoch", source=source.name, weight=source.weight),
                say(
                    "{share} of the tokens, {documents} documents",
                    share=percent(source.share),
                    documents=count(source.num_documents),
                ),
            )
            for source in corpus.sources
        ),
        (say("Pieces of the vocabulary"), count(found.vocabulary)),
    ]
    if found.token_accuracy is not None:
        rows.insert(2, (say("Hidden tokens guessed right"), percent(found.token_accuracy)))
    if found.replaced_found is not None:
        rows.insert(2, (say("Replaced tokens found"), percent(found.replaced_found)))
    if found.real_kept is not None:
        rows.insert(3, (say("Real tokens taken for real"), percent(found.real_kept)))
    if found.question_accuracy is not None:
        asked = percent(found.question_accuracy)
        rows.insert(2, (say("Right about pairs of held-out passages"), asked))
    if found.bits_per_byte is not None:
        rows.insert(2, (say("Bits a byte"), decimal(found.bits_per_byte, 3)))
    explanation = say(
        "Held-out documents were not read in training. A loss below that of the frequencies "
        "alone is what the model learned from context."
    )
    return Part(say("What it learned"), explanation, facts(rows))
