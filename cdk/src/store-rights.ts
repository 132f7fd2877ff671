/**
 * Commands of the store that enid uses, and no other (docs/fleet.md, "Rights"; a test compares the two): the rights of its user.
 */
export const FLEET_COMMANDS: readonly string[] = [
  ..."eval evalsha wait info ping".split(" "),
  ..."time decrby del exists expire get hdel hexists hget hlen hmget hset hvals incrby pexpire set zadd".split(" "),
  ..."zcard zcount zmscore zrange zrangebylex zrangebyscore zrank zrem zremrangebyscore zscore".split(" "),
];
