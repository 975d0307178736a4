/** The thread of attributes.ts: reads and writes extended attributes with blocking calls, which is what this thread is for. */
import { answering } from "./answering-worker.ts";
import { answerNow } from "./attributes.ts";

answering(answerNow);
