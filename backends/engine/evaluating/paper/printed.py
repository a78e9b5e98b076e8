"""What the L2EL paper prints in its tables, so that a page can stand beside it (arXiv, Gemma-2-2B, layer 10)."""

from __future__ import annotations

from dataclasses import dataclass

Texts = tuple[str, ...]


@dataclass(frozen=True)
class Printed:
    """One table of the paper that compares what the SAE says with what L2EL says at a prompt's last token."""

    number: int
    prompt: str
    own: str
    """A prompt of the same kind that a small model trained on textbooks, fiction and news can know."""
    by_sae: Texts
    by_l2el: Texts
    ranked: bool = False
    """Whether L2EL ranks the SAE's labels there (table 3) rather than writing texts of its own."""


TABLES = (
    Printed(
        1,
        "My favorite player is LeBron",
        "My favorite writer is Shakespeare",
        (
            "specific tokens or markers that indicate important elements or categories within the text",
            "technical terms related to web applications and debugging processes",
            "references to notable individuals or performances in sports",
            "technical terms and code-related elements in programming contexts",
            "specific technical terms and concepts related to database management and programming",
        ),
        (
            'references to the name "LeBron."',
            "names of notable individuals or brands",
            "names associated with the sports industry",
            "mentions of sports superstars and their impact on popular culture",
            "names or terms related to celebrity culture or sports figures",
        ),
    ),
    Printed(
        3,
        "The city that owns my heart is Kyoto",
        "The city that owns my heart is Paris",
        (
            "specific tokens or markers that indicate important elements or categories within the text",
            "technical terms and code-related elements in programming contexts",
            "terms related to institutions and organizations",
            "proper nouns related to specific geographic locations",
            "content related to legal issues and historical contexts involving immigration or citizenship",
        ),
        (
            "locations and geographical references",
            "geographical names and locations",
            "references to universities and academic institutions",
            "references to locations and places",
            "references to academic journals",
        ),
        ranked=True,
    ),
    Printed(
        4,
        "This bug smells like an off-by-one error",
        "The program stopped because of an error",
        (
            "references to errors and error correction in a technical context",
            "specific tokens or markers that indicate important elements or categories within the text",
            "technical terms related to web applications and debugging processes",
            "terms related to institutions and organizations",
            "references to social or cultural dynamics within communities",
        ),
        (
            'the word "error" in various contexts',
            "terms related to errors or mistakes",
            "references to error handling and debugging techniques",
            "mentions of errors and their impact",
            "instances of error or errors in the code",
        ),
    ),
    Printed(
        5,
        "The most iconic villain is Darth Vader",
        "The most famous of all detectives is Sherlock Holmes",
        (
            'references to the "Star Wars" franchise, particularly relating to Jedi and Sith characters',
            "specific technical terms and concepts related to database management and programming",
            "technical terms related to web applications and debugging processes",
            "specific tokens or markers that indicate important elements or categories within the text",
            "technical terms and code-related elements in programming contexts",
        ),
        (
            'references to the character "Vader"',
            'instances of the word "Vader" in different contexts',
            "phrases related to invisibility and hiding",
            "mentions of the fictional character Darth Vader",
            "references to characters or concepts from the Star Wars franchise",
        ),
    ),
    Printed(
        6,
        "The festival I want to attend is Oktoberfest",
        "The festival I like most of all is Christmas",
        (
            "specific tokens or markers that indicate important elements or categories within the text",
            "technical terms related to web applications and debugging processes",
            "specific technical terms and concepts related to database management and programming",
            "technical terms and code-related elements in programming contexts",
            "terms related to institutions and organizations",
        ),
        (
            "references to festivals or events",
            "terms related to celebrations and events",
            'mentions of "festival" and its variations',
            'the word "festival" indicating a large-scale event',
            "events and festivals associated with Oktoberfest",
        ),
    ),
)
"""Tables 1 and 3 to 6."""

HARRY_POTTER = "references to the wizard from Harry Potter"
SNIPPETS = (
    (".. in Los Angeles, it was the battle of the bespectacled boy wizard", -1.905),
    (".. for the first time plotting the start of Dumbledore", -1.982),
    (".. Among these friends we call it Harry Potter", -1.988),
    (".. that he is then speaking to Aberforth in Halfblood", -2.072),
    (".. in Deathly Hallows once the trio arrive in Hogsme", -2.159),
    (".. In Order of the Phoenix while the trio were in the Hog", -2.158),
)
"""Table 2."""
OWN_SENTENCE = "references to food"
"""What the search of table 2 is also asked: something that pocket's documents are full of."""
