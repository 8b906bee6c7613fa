-- What makes a line suspect: the pattern for any text, and the one for texts shorter than `long_run`.
set variable prefilter = {'whole': $whole, 'brief': $brief, 'long_run': $long_run}
