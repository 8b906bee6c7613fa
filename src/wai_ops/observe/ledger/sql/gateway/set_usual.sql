-- The texts that most lines of the batch have in common, known to hold no secret; null: there are none.
set variable usual_end = $usual_end
