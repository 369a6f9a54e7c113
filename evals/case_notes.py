"""Case notes about people who do not exist, and questions that name them: made by a seed, the same on every machine.

Each person has one note. Surnames and first names are shared by several people, as in a company, and each topic by
many notes: a question that names somebody only is answered by the name, or not at all.
"""

from dataclasses import dataclass, field
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words(
    "Alice Amir Anna Anton Beatrice Bogdan Carla Cedric Chiara Clive Daniela Dmitri Edith Elias Esther Farid "
    "Fiona Georg Greta Hassan Helena Henrik Imogen Ivan Jamila Joachim Judith Karim Katrin Lars Leila Lorenzo "
    "Maren Mateo Mina Miriam Nadia Niklas Olga Oscar Paula Pedro Priya Rafael Ramona Ruben Sanjay Selma Silas "
    "Tamara Thomas Ulrike Valentin Vera Viktor Walter Yasmin Yusuf Zelda Zoran"
)
LAST = _words(
    "Abernathy Acheson Adeyemi Almeida Alvarez Amsel Andersson Arkwright Baptiste Barlow Becker Bellini Benitez "
    "Bergstrom Bianchi Bjork Blackwell Bouchard Brandt Calloway Cardoso Castellano Chaudhary Chevalier Cisneros "
    "Cooper Corrigan Crompton Cvetkovic Dahl Danforth Delacroix DeWitt Dombrowski Dragomir Dufresne Eastwood "
    "Ebersole Ekstrom Eriksen Espinoza Fairbanks Falkner Farouk Ferrara Fischer Fontaine Fujimoto Galanis "
    "Gallagher Garnier Giordano Goldberg Gonzaga Granger Greenhalgh Gutierrez Haldane Halloran Hammarskjold "
    "Hartmann Hashimoto Havel Hennessy Hoffmann Holloway Hussain Ibrahim Iglesias Inoue Ivanov Jacobsen Jankowski "
    "Jefferies Johansson Kaczmarek Kamara Kaplan Karlsson Keller Khoury Kirchner Kobayashi Kowalski Kruger "
    "Lachance Lambert Larkin Laurent Leclerc Lehtonen Lindholm Lombardi Loveday Lundgren MacKenzie Maldonado "
    "Mancini Marchand Marchetti Matsuda Mbeki Mendez Michaud Mirza Molina Montague Moreau Morozov Mulder Nakamura "
    "Nasser Navarro Nikolaidis Novak Nowicki Nyberg O'Connor Obi Okonkwo Ortega Osterman Oyelaran Palmieri "
    "Pankhurst Papadakis Pellegrini Pereira Petrov Pettersson Pham Pilgrim Popescu Prescott Quinlan Radcliffe "
    "Rahman Ramaswamy Redmayne Reinhardt Ribeiro Rosenthal Rossi Rutherford Salazar Sandoval Santoro Schaefer "
    "Schneider Seaborn Shevchenko Sinclair Solberg Soto Stavros Steiner Sullivan Szabo Takahashi Tanaka Tennant "
    "Thornton Tiwari Tolliver Tremblay Ueda Underwood Usher Valdez VanDyke Vasquez Vega Villeneuve Voss Wagner "
    "Walcott Weatherby Whitfield Winterbourne Wojcik Xu Yamamoto Yilmaz Zamora Zeller Zielinski"
)
DOMAINS = ("northgate.example", "harrowfield.example", "lumenworks.example")
TOPICS: tuple[tuple[str, str], ...] = (
    ("parental leave", "asked for parental leave from {month} and wants to return with reduced hours."),
    ("a relocation", "plans a relocation to the {city} office and asked who pays for the movers."),
    ("a damaged laptop", "reported a damaged laptop after a trip to {city}; a replacement was ordered in {month}."),
    ("overtime", "disputes the overtime that was booked in {month} and handed in a list of shifts."),
    ("a pension transfer", "requested a pension transfer from a former employer in {city}."),
    ("a safety complaint", "filed a safety complaint about the loading bay in {city} and asked for an inspection."),
    ("an expense claim", "handed in an expense claim for a conference in {city} without the receipts for {month}."),
    ("a training budget", "wants to spend the training budget on a course in {city} that begins in {month}."),
    ("sick pay", "asked how sick pay is worked out for an absence that began in {month}."),
    ("a company car", "returned the company car in {city} with a scratch on the left door."),
    ("a warning letter", "contested the warning letter of {month} and asked for the minutes of the meeting."),
    ("a visa", "needs a letter for a visa, to work at the {city} site from {month}."),
    ("a noise complaint", "complained about noise from the workshop in {city} and was offered another desk."),
    ("a lost badge", "lost the entry badge in {city} and was given a temporary one until {month}."),
    ("a mentoring programme", "joined the mentoring programme and will travel to {city} twice before {month}."),
    ("a flexible schedule", "was granted a flexible schedule on trial until {month}."),
)
MONTHS = ("January", "March", "April", "June", "July", "September", "October", "December")
CITIES = ("Lisbon", "Leeds", "Rotterdam", "Graz", "Malmo", "Dublin", "Porto", "Ghent")
FAMILY = 7
"""People of one surname, as there are of the commonest ones in a company of some thousands."""
FORMS = ("full name", "surname", "initials", "e-mail")


@dataclass(frozen=True, slots=True)
class Note:
    """One note and the person it is about."""

    first: str = field(repr=False)
    last: str = field(repr=False)
    mail: str = field(repr=False)
    topic: str
    text: str = field(repr=False)

    def named(self, form: str) -> str:
        """The person as a question names her."""
        names = {
            "full name": f"{self.first} {self.last}",
            "surname": self.last,
            "initials": f"{self.first[0]}. {self.last}",
            "e-mail": self.mail,
        }
        return names[form]


def case_notes(count: int, seed: int) -> list[Note]:
    """`count` notes about as many people, no two of the same full name."""
    random = Random(seed)
    people = random.sample([(first, last) for first in FIRST for last in LAST], count)
    return [_note(random, first, last) for first, last in people]


def notes_of_families(families: int, seed: int) -> list[Note]:
    """Notes about `FAMILY` people of each of `families` surnames, one surname after the other.

    Where a question gives the surname alone, each of them is as good an answer: ask about whole families, or chance
    decides how often the right one was among the first.
    """
    random = Random(seed)
    people = [(first, last) for last in random.sample(LAST, families) for first in random.sample(FIRST, FAMILY)]
    return [_note(random, first, last) for first, last in people]


def question(note: Note, form: str, *, with_topic: bool) -> str:
    """A question about the person of a note."""
    named = note.named(form)
    return f"What did {named} say about {note.topic}?" if with_topic else f"What do we know about {named}?"


def _note(random: Random, first: str, last: str) -> Note:
    topic, sentence = random.choice(TOPICS)
    told = sentence.format(month=random.choice(MONTHS), city=random.choice(CITIES))
    plain = last.replace("'", "").lower()
    mail = f"{random.choice([first.lower(), first[0].lower()])}.{plain}@{random.choice(DOMAINS)}"
    openings = (
        f"{first} {last} {told}",
        f"In a call on the {random.randint(2, 27)}th, {first} {last} {told}",
        f"Our colleague {first} {last} {told}",
    )
    endings = (
        f"Replies go to {mail}. The case stays open until {last} has answered.",
        f"Contact: {mail}. {first} was told that the answer takes ten working days.",
        f"The decision was sent to {mail}, and Personnel keeps a copy.",
    )
    return Note(first, last, mail, topic, f"{random.choice(openings)} {random.choice(endings)}")
