//! Client libraries as their authors publish them, as applications use them. The scripts are in `tests/sdk`, a folder per
//! library; each runs against a platform of its own, and what the library says it used must be what the upstream served
//! and what the platform's books say.
//!
//! One more library: its version in a file of `tests/sdk/requirements` or in `tests/sdk/node/package.json`, a folder with
//! its scripts (they end with `report.done()`), a test here.

mod books;
mod interpreter;
mod ogx;
mod world;

use books::Books;
use interpreter::Interpreter;
use world::World;

#[tokio::test]
async fn openai_python_works_unchanged() {
    let scripts = ["answers.py", "tools.py", "errors.py", "retries.py", "responses.py", "media.py"];
    run("openai-python", Interpreter::python("clients"), &scripts).await;
}

#[tokio::test]
async fn openai_node_works_unchanged() {
    let scripts = ["answers.mjs", "tools.mjs", "errors.mjs", "retries.mjs", "responses.mjs", "media.mjs"];
    run("node/openai", Interpreter::node(), &scripts).await;
}

#[tokio::test]
async fn anthropic_python_works_unchanged() {
    run("anthropic-python", Interpreter::python("clients"), &["messages.py", "errors.py"]).await;
}

#[tokio::test]
async fn anthropic_node_works_unchanged() {
    run("node/anthropic", Interpreter::node(), &["messages.mjs", "errors.mjs"]).await;
}

#[tokio::test]
async fn langchain_works_unchanged() {
    run("langchain", Interpreter::python("clients"), &["chat.py"]).await;
}

#[tokio::test]
async fn llama_index_works_unchanged() {
    run("llama-index", Interpreter::python("llama-index"), &["answers.py"]).await;
}

#[tokio::test]
async fn vercel_ai_sdk_works_unchanged() {
    run("node/ai", Interpreter::node(), &["answers.mjs", "errors.mjs"]).await;
}

/// Runs all scripts of a library in one world, and compares the books at the end.
async fn run(folder: &str, interpreter: Interpreter, scripts: &[&str]) {
    let world = World::start().await;
    let mut books = Books::default();
    for script in scripts {
        let output = world.run(&interpreter, &format!("{folder}/{script}")).await;
        books.add(&output);
    }
    books.compare(&world).await;
}
