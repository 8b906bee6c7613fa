-- What makes a line suspect.
set variable prefilter = $prefilter
