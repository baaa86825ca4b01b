package dev.fathom.model.tokenizer;

/**
 * A token that is found in the text as a whole, before words are split; the fields are those of {@code tokenizer.json}.
 *
 * @param id its id
 * @param content how it is written
 * @param special whether other engines hide it when they show text
 * @param singleWord found only where no word character touches it
 * @param leftStrip takes the spaces before it along
 * @param rightStrip takes the spaces behind it along
 * @param normalized searched in the normalized text, where it is normalized itself
 */
record AddedToken(
        int id,
        String content,
        boolean special,
        boolean singleWord,
        boolean leftStrip,
        boolean rightStrip,
        boolean normalized) {
    /** A token that is found wherever it is written. */
    static AddedToken plain(int id, String content, boolean special) {
        return new AddedToken(id, content, special, false, false, false, false);
    }
}
