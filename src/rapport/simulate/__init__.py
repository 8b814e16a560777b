"""A believable live world, for when there is no file: customers with habits, conversations, carts and feedback.

world = World(seed=7, customers=1_000)
for topic, event in world.history(start_us, end_us):
    ...
world.shift = 0.8                       # a crisis of deliveries begins
for topic, event in world.live(decide, clock):
    ...
"""

from rapport.simulate.messages import to_message
from rapport.simulate.profiles import Profile
from rapport.simulate.world import Decide, World

__all__ = ["Decide", "Profile", "World", "to_message"]
