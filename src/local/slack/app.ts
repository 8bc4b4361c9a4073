import fs from 'node:fs';
import { parse } from 'yaml';

/** The one app that is installed in the local workspace. */
export interface LocalApp {
  id: string;
  name: string;
  botId: string;
  botUserId: string;
  botToken: string;
  appToken: string;
  signingSecret: string;
  /** Where events go, such as http://127.0.0.1:3000/slack/events; without it the app connects by Socket Mode. */
  requestUrl?: string;
  /** Nobody can write into its Messages tab, nor type a command there. */
  messagesReadOnly: boolean;
  /** For Sign in with Slack; without it nobody can. */
  client?: LocalClient;
  scopes: string[];
  events: string[];
  commands: { command: string; description: string; usageHint: string; shouldEscape: boolean }[];
  shortcuts: { callbackId: string; name: string; description: string; type: 'global' | 'message' }[];
}

export interface LocalClient {
  id: string;
  secret: string;
  /** Where people may be sent back to. */
  redirectUris: string[];
}

interface Manifest {
  display_information?: { name?: string };
  features?: {
    app_home?: { messages_tab_read_only_enabled?: boolean };
    bot_user?: { display_name?: string };
    slash_commands?: { command: string; description?: string; usage_hint?: string; should_escape?: boolean }[];
    shortcuts?: { callback_id: string; name: string; description?: string; type: 'global' | 'message' }[];
  };
  oauth_config?: { scopes?: { bot?: string[] } };
  settings?: { event_subscriptions?: { bot_events?: string[] } };
}

/** Installs an app from its manifest. Throws when the file has no name for it. */
export function appFromManifest(
  manifestFile: string,
  secrets: Pick<LocalApp, 'botToken' | 'appToken' | 'signingSecret' | 'requestUrl' | 'client'>,
): LocalApp {
  const manifest = parse(fs.readFileSync(manifestFile, 'utf8')) as Manifest;
  const name = manifest.features?.bot_user?.display_name ?? manifest.display_information?.name;
  if (!name) throw new Error(`${manifestFile} is not a Slack app manifest: it has no name in display_information.`);
  return {
    id: 'A0LOCALAPP',
    name,
    botId: 'B0LOCALAPP',
    botUserId: 'U0LOCALAPP',
    ...secrets,
    messagesReadOnly: manifest.features?.app_home?.messages_tab_read_only_enabled ?? false,
    scopes: manifest.oauth_config?.scopes?.bot ?? [],
    events: manifest.settings?.event_subscriptions?.bot_events ?? [],
    commands: (manifest.features?.slash_commands ?? []).map((each) => ({
      command: each.command,
      description: each.description ?? '',
      usageHint: each.usage_hint ?? '',
      shouldEscape: each.should_escape ?? false,
    })),
    shortcuts: (manifest.features?.shortcuts ?? []).map((each) => ({
      callbackId: each.callback_id,
      name: each.name,
      description: each.description ?? '',
      type: each.type,
    })),
  };
}
