/** The gateway's route table for the embedded backend. */
export const DEV_ROUTES = [
  { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "user.profile.update", method: "PATCH", path: "/api/v1/user/profile" },
  { message_type: "chat.message.send", method: "POST", path: "/api/v1/user/rooms/{room_id}/messages" },
] as const;
