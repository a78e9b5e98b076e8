"""How descriptions of features are worded: one grammar for training lines and for rule-written labels.

The subject model only writes what it has read, so the lines that it is trained on and the labels that the mapper
is trained on must share their templates. The phrasing follows the explanations that Neuronpedia shows.
"""

import random
import re
from enum import StrEnum
from hashlib import blake2b


class Kind(StrEnum):
    """What sort of thing a description says; each has its own templates."""

    WORD = "word"
    FORMS = "forms"
    MEMBERS = "members"
    NAMES = "names"
    WAYS = "ways"
    TOPIC = "topic"
    MEANING = "meaning"
    SIMILAR = "similar"
    ENDING = "ending"
    BEGINNING = "beginning"
    BEFORE = "before"
    AFTER = "after"
    CLASS = "class"


# The first template of each kind is the plain one, for callers that want a single wording.
TEMPLATES: dict[Kind, tuple[str, ...]] = {
    Kind.WORD: ('the word "{}"', 'mentions of the word "{}"', 'occurrences of the word "{}"'),
    Kind.FORMS: ('forms of the word "{}"', 'the word "{}" and its forms'),
    Kind.MEMBERS: (
        "references to {}",
        "words for {}",
        "mentions of {}",
        "words related to {}",
        "terms for {}",
        "terms for kinds of {}",
    ),
    Kind.NAMES: ("names of {}", "references to {}", "mentions of {}"),
    Kind.WAYS: ("words that mean to {}", "words for ways to {}", "verbs that mean to {}"),
    Kind.TOPIC: ("words related to {}", "text about {}", "references to {}", "terms about {}", "mentions of {}"),
    Kind.MEANING: ("words that mean {}", "terms that mean {}"),
    Kind.SIMILAR: ('words similar to "{}"', 'words like "{}"', 'words related to "{}"'),
    Kind.ENDING: ('the ending "-{}"', 'words that end in "{}"'),
    Kind.BEGINNING: ('words that begin with "{}"', 'the beginning "{}-"'),
    Kind.BEFORE: ('words before "{}"', 'what comes before the word "{}"'),
    Kind.AFTER: ('words after "{}"', 'what comes after the word "{}"'),
    Kind.CLASS: ("{}",),
}

# WordNet lexicographer files, in the words a person would use. Files too general to say anything are left out.
LEXFILE_TOPICS: dict[str, str] = {
    "adj.ppl": "states and conditions",
    "noun.act": "actions",
    "noun.animal": "animals",
    "noun.artifact": "man-made things",
    "noun.attribute": "qualities",
    "noun.body": "body parts",
    "noun.cognition": "thinking and knowledge",
    "noun.communication": "communication",
    "noun.event": "events",
    "noun.feeling": "feelings",
    "noun.food": "food and drink",
    "noun.group": "groups of people or things",
    "noun.location": "places",
    "noun.motive": "reasons and motives",
    "noun.object": "natural objects",
    "noun.person": "people",
    "noun.phenomenon": "natural phenomena",
    "noun.plant": "plants",
    "noun.possession": "money and possessions",
    "noun.process": "processes",
    "noun.quantity": "quantities",
    "noun.relation": "relations",
    "noun.shape": "shapes",
    "noun.state": "states and conditions",
    "noun.substance": "substances",
    "noun.time": "time",
    "verb.body": "the body and its care",
    "verb.change": "change",
    "verb.cognition": "thinking",
    "verb.communication": "communication",
    "verb.competition": "contests and fighting",
    "verb.consumption": "eating and drinking",
    "verb.contact": "touching and handling",
    "verb.creation": "making things",
    "verb.emotion": "feelings",
    "verb.motion": "motion",
    "verb.perception": "seeing, hearing and other senses",
    "verb.possession": "owning, giving and taking",
    "verb.social": "social life",
    "verb.weather": "weather",
}

# Hypernyms that say nothing about a word: "references to entities" fits almost anything.
TOO_GENERAL = frozenset(
    "entity,physical entity,abstraction,abstract entity,object,physical object,whole,unit,thing,matter,artifact,"
    "artefact,attribute,relation,group,grouping,measure,quantity,amount,state,event,act,deed,human action,"
    "human activity,psychological feature,causal agent,cause,causal agency,instrumentality,instrumentation,organism,"
    "living thing,animate thing,being,physical process,process,substance,content,cognition,knowledge,communication,"
    "property,part,portion,piece,region,location,cognitive content,mental object,noesis,activity,happening,"
    "occurrence,natural event,change,alter,modify,move,travel,go,act,be,have,make,do,get,cause to be,"
    "change state,turn,displace,locomote,definite quantity,fundamental quantity,fundamental measure,"
    "indefinite quantity,social group,magnitude,quality,set,collection,aggregation,condition,status,kind,sort,form,"
    "variety,body part,natural object,point,line,system,structure,construction,equipment,device,way,individual,"
    "someone,somebody,mortal,soul,covering,concept,conception,construct,idea,thought".split(",")
)

IRREGULAR_PLURALS: dict[str, str] = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "foot": "feet", "tooth": "teeth",
    "goose": "geese", "mouse": "mice", "louse": "lice", "ox": "oxen", "die": "dice", "penny": "pence", "fish": "fish",
    "sheep": "sheep", "deer": "deer", "moose": "moose", "series": "series", "species": "species", "means": "means",
    "aircraft": "aircraft", "offspring": "offspring", "phenomenon": "phenomena", "criterion": "criteria",
    "bacterium": "bacteria", "datum": "data", "medium": "media", "stratum": "strata", "fungus": "fungi",
    "nucleus": "nuclei", "cactus": "cacti", "stimulus": "stimuli", "alga": "algae", "larva": "larvae",
    "vertebra": "vertebrae", "genus": "genera", "index": "indices", "matrix": "matrices", "vertex": "vertices",
    "knife": "knives", "wife": "wives", "life": "lives", "leaf": "leaves", "wolf": "wolves", "half": "halves",
    "shelf": "shelves", "loaf": "loaves", "thief": "thieves", "calf": "calves", "self": "selves", "hoof": "hooves",
    "potato": "potatoes", "tomato": "tomatoes", "hero": "heroes", "echo": "echoes", "torpedo": "torpedoes",
}  # fmt: skip

# Nouns that take no plural in a description: "references to musics" is not English.
UNCOUNTABLE = frozenset(
    "music,money,food,water,clothing,furniture,information,knowledge,weather,behavior,behaviour,speech,writing,art,"
    "literature,poetry,science,mathematics,physics,medicine,law,politics,religion,time,work,motion,movement,travel,"
    "anger,fear,joy,sadness,love,happiness,sorrow,feeling,luck,wealth,power,energy,heat,light,darkness,cloth,fabric,"
    "meat,bread,rice,milk,cheese,wine,beer,cutlery,jewelry,jewellery,machinery,software,hardware,equipment,advice,"
    "evidence,news,progress,research,traffic,transportation,training,education,employment,violence,crime,warfare,"
    "agriculture,commerce,trade,business,finance,property,land,air,fire,rain,snow,wood,metal,glass,paper,plastic,"
    "communication,language,grammar,cooking,dancing,singing,hunting,fishing,ease,pleasure,pain,distress".split(",")
)


def pluralise(noun: str) -> str:
    """Plural of an English noun phrase; the head is the word before "of", or else the last one."""
    head, separator, rest = noun.partition(" of ")
    before, space, last = head.rpartition(" ")
    return f"{before}{space}{_plural_word(last)}{separator}{rest}"


def _plural_word(word: str) -> str:
    lower = word.lower()
    if lower in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[lower]
    if lower in UNCOUNTABLE or lower.endswith(("ness", "ics", "ware", "ship")) or not word.isascii():
        return word
    if lower.endswith("woman") or (lower.endswith("man") and lower not in {"human", "german", "roman", "shaman"}):
        return word[:-2] + "en"
    return _regular_plural(word)


def _regular_plural(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    if re.search(r"sis$", word):
        return word[:-2] + "es"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", word) else "s")


def inflections(lemma: str, pos: str) -> list[str]:
    """Regular surface forms of a single-word lemma ("n" plural; "v" -s, -ed, -ing), the lemma itself first."""
    if pos == "n":
        return [lemma, _plural_word(lemma)]
    if pos != "v":
        return [lemma]
    stem = lemma[:-1] if lemma.endswith("e") else lemma
    past = lemma[:-1] + "ied" if re.search(r"[^aeiou]y$", lemma) else stem + "ed"
    return [lemma, _regular_plural(lemma), past, stem + "ing"]


def phrase(kind: Kind, subject: str, draw: random.Random | None = None) -> str:
    """Words for one description: the plain template, or with `draw` a random one of its kind."""
    templates = TEMPLATES[kind]
    return (draw.choice(templates) if draw else templates[0]).format(subject)


_USAGE_NOTES = re.compile(
    r"slur|offensive|disparag|derogat|obscen|vulgar|taboo|pejorativ|term of abuse|contemptuous|insulting|"
    r"sexual|coitus|copulat|genital|penis|vagina|vulva|masturbat|prostitut|whore|brothel|pornograph|excrement|feces|"
    r"buttocks|ethnic group|racial|(dark|black|yellow)[- ]skinned|retarded|idiot|moron|mentally deficient|lewd|incest|"
    r"pedophil|homosexual|suicide|torture|rapist|\brape\b|slave\b|nazi",
    re.IGNORECASE,
)

# Offensive words that the dictionary does not mark, or marks in one sense only, as hashes so that no list of slurs
# stands in the source. `offensive_hash` says how they are made.
OFFENSIVE_HASHES = frozenset[str](
    """
0019db8c57 00be32dac6 02788a5d55 058034038d 064d1f23e4 06da75d9a7 06f7e8822e 0870241fdb 08a1998123 0c06b13f84
0d2a5198e7 1024f168f8 1438f53b0a 1452863283 156dd7d371 15ee4f2c61 199c2b93fc 1a7ce40edd 1ba5a77cee 1c906329d4
1e8fcf88ee 26134ced29 29d669b61a 29f2e0bde3 2b53c9f7b4 2b85770c9d 2bc09fbe44 2c8674da98 2ed3c18206 304499838f
305be13042 30aa8858f7 3442d1dbb3 354336f7a2 362b875a9b 385148805d 38a071a975 3ae652942a 3d1b2e1e0f 3d80cf2591
43c74493d6 4591677fab 4847b05b14 49d836c83a 4ad687b152 4c78de5ffb 4cd65bc823 5155e7f332 51c6853cd7 528814696d
559f46baa0 55ab334ce9 564b11851a 59eba97fbd 5b82bd6c91 5bdf705ba5 5d2b987118 5d67fa65dc 608ebefe08 60c9e2e776
66610ccdc8 6872812f0f 68cbb70653 6f585bb15e 705869657c 725897ef5f 7547aecd0d 7675821996 76ddf3ce6c 771028a8d6
77391c234b 797c170ff4 79b612ca52 7ae3e956d3 7beaf747cf 7c712693c2 7d1e655daa 7d39cabe4f 8034660b1f 8361498199
8559f10567 86333eaf1e 866f928c9b 896a995b13 8b45cf8a23 8bb173c508 8d7335e109 8d953cad00 8f0915e07f 8f34866269
8f6588dc02 90d26c3918 9284f5cd18 92e0fe04a6 93723b3519 9409648ee1 943a7e37ba 967e8bbe8a 97fb24ba45 980d8595d1
9ad8e7faa2 9b2fd589e0 9bd85a6750 9c7655b872 9dc7c87dc6 9e33d22628 9e997eb4fb 9fb1c996d4 a54a02e498 a56887f284
a6781adc1a a6c5e07524 a74853cade a7e59bf704 a874e272b2 a8bb5f0361 aa167192e0 ab1cbf9eee af1f0a6d40 b094b347e4
b322b8c1c5 b338e167ea b55b81be72 b7b6e8ead0 b8ea9fdac9 bab2561650 bdf62f4ed5 bf7edbbbee c29769ddd0 c2c7054307
c426612dfb c48c0854a6 c547b8b831 c6a7a804a4 c772dcbb7d cde02d287b d05fbdd8ca d222eebda2 d3765e615f d388c33b2e
d44255a3e9 d5b07a6e10 d6631902ca daa47741ea dc590366fc de2e610b18 de322f9fd8 e0f5404638 e1a4828900 e809c4e5de
e8953b01ae ea9d56a57c ebd85f8ceb ed7be51029 eda08c7442 efec66603c f0f326e86d f1058b2484 f39c64e31f f976fad1c6
fabf4fa1a2 fc3b66c4fa fc7a0ee6bb fe7b2a9431
""".split()
)


def offensive_hash(word: str) -> str:
    """The form in which an offensive word is listed: blake2b, 5 bytes, of the lower-cased word."""
    return blake2b(word.lower().encode(), digest_size=5).hexdigest()


def is_offensive_word(text: str) -> bool:
    """Whether any word of the text, or its singular, is on the list of offensive words."""
    words = re.findall(r"[a-z]+", text.lower())
    return any(offensive_hash(form) in OFFENSIVE_HASHES for word in words for form in (word, word.removesuffix("s")))


def is_offensive_gloss(gloss: str) -> bool:
    """Whether a gloss carries a usage note (slur, vulgar, ...) or describes what no label should."""
    return bool(_USAGE_NOTES.search(gloss)) or is_offensive_word(gloss)
