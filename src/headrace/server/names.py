"""Names for runs: two words that people can say, read off the run's id."""

from uuid import UUID

_ADJECTIVES = (
    "amber agile airy alert ample apt arctic autumn azure balmy bold brave breezy bright brisk bronze calm candid clear"
    " clever coastal copper cosy crisp dapper daring deep deft dewy eager early easy even fair fast fine firm fleet fond"
    " frosty gentle glad golden grand green hale handy happy hardy hazel honest humble ideal ivory jolly keen kind large"
    " late light lively loyal lucid lunar mellow merry mild mossy neat nimble noble olive open pale placid plain plucky"
    " polar prime proud pure quick quiet rapid rare ready rosy rustic sage sandy serene sharp shiny silver sleek smooth"
    " snowy solar solid spry steady still stout sunny sure swift tidy topaz tranquil true upbeat vast vivid warm wise"
    " witty young"
)
_NOUNS = (
    "acorn alder apple arch aspen badger bay beacon beaver birch bison brook canal canyon cedar cliff cloud clover comet"
    " coral cove crane creek crow curlew dale dam delta dove dune eagle elk elm falcon fen fern finch fjord flint ford"
    " forest fox gale garden geyser glade glen gorge grove gull harbour hare hawk hazel heath heron hill ibis inlet iris"
    " island isle jay juniper kite lagoon lake lark laurel leaf lily linden lotus lynx maple marsh martin meadow mesa"
    " mill moor moose moss oak oasis orchard osprey otter owl peak pebble pike pine plover pond poplar prairie puffin"
    " quail quarry rapids raven reef ridge river robin rook sage salmon shore sluice sparrow spring spruce stork strait"
    " stream summit swan teal thicket tide trout tundra vale valley violet vista walnut weir willow wren yew"
)
ADJECTIVES, NOUNS = _ADJECTIVES.split(), _NOUNS.split()


def of(run_id: UUID) -> str:
    """The name of the run with this id, for example `brisk-otter`. Not unique, and always the same for an id."""
    number = run_id.int & 0xFFFF_FFFF
    return f"{ADJECTIVES[number % len(ADJECTIVES)]}-{NOUNS[number // len(ADJECTIVES) % len(NOUNS)]}"
