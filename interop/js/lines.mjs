// The line protocol between a Go test and a script: one JSON object a line in each direction.
// A request is {"seq": n, "do": name, ...arguments}; its answer is {"seq": n, ...result} or
// {"seq": n, "error": text}. Answers come in the order in which the work is done.

import { createInterface } from 'node:readline'

export function say (object) {
  process.stdout.write(JSON.stringify(object) + '\n')
}

// Serves the commands until the request "quit" or the end of standard input, so that a script
// never outlives the test that started it.
export async function serve (commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { seq, do: name, ...args } = JSON.parse(line)
    if (name === 'quit') break
    answer(seq, commands[name], args)
  }
  process.exit(0)
}

async function answer (seq, command, args) {
  try {
    if (!command) throw new Error('unknown command')
    say({ seq, ...await command(args) })
  } catch (err) {
    say({ seq, error: err.message })
  }
}

export function hex (bytes) {
  return Buffer.from(bytes).toString('hex')
}
