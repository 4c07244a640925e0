"""What an endpoint does, shown by asking it: the battery behind `headgate doctor`.

    find.py       URL -> engine, version, models, context      battery/    the checks, pure, one file for each group
    asking.py     what a check asks, and how it is written     verdict.py  what a check may conclude
    reading.py    bytes of a reply -> an `Answer`              findings.py every deviation in words
    exchange.py   one question over the wire                   runner.py   checks -> a `Report`, within deadlines
    report.py     the result, as values                        renderers/  a report for people and for programs

Exactness is judged by our own decoder: whatever it had to repair deviates. An endpoint that claims to be exact
(another gateway like this one) is also held to `headgate.conform`, on its raw bytes.
"""
