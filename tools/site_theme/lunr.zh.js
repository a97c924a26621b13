/* Chinese for the search of mkdocs: words are found by pairs of characters, without a dictionary.
   It takes the place of lunr-languages' lunr.zh.js, which needs a segmenter that no browser has. */
(function (lunr) {
  var run = /[\u4e00-\u9fff]+/g;
  var tokenize = lunr.tokenizer;
  var search = lunr.Index.prototype.search;

  function pairs(text) {
    if (text.length === 1) return [text];
    var found = [];
    for (var i = 0; i + 1 < text.length; i++) found.push(text.substr(i, 2));
    return found;
  }

  function tokenizer(text, metadata) {
    if (typeof text !== 'string') return tokenize(text, metadata);
    return tokenize(text.replace(run, function (part) {
      return ' ' + pairs(part).join(' ') + ' ';
    }), metadata);
  }
  lunr.tokenizer = tokenizer;
  // the separator is set later, and the original asks for it under this name
  tokenizer.separator = tokenize.separator;

  lunr.Index.prototype.search = function (query) {
    return search.call(this, query.replace(run, function (part) {
      if (part.length === 1) return ' +' + part + '* ';
      return ' ' + pairs(part).map(function (pair) { return '+' + pair; }).join(' ') + ' ';
    }).trim());
  };

  lunr.zh = {wordCharacters: '\u4e00-\u9fff'};
})(lunr);
