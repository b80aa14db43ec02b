export { SinkError, type SinkErrorCode } from './errors.ts';
export { LogSource } from './log-source.ts';
export { formatPosition, type Position } from './position.ts';
export { connectRedis, parseRedisUrl } from './redis-connection.ts';
export { RedisStream, type StreamEntry } from './redis-stream.ts';
export { TopicSource, positionOf } from './topic-source.ts';
export { runSink, type SinkResult, type Source } from './sink.ts';
