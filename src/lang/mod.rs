//! Text → [`ast::Statement`]: lexer, nom parsers over tokens, and the text form of every tree.

pub mod ast;
