-- What follows a day that came or went has another day before it.
update conversation_day as d
set previous_day = c.previous_day
from chained as c
where not c.is_new
    and c.previous_day is distinct from c.noted_day
    and c.conversation = d.conversation
    and c.day = d.day
