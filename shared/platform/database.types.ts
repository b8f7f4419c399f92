export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  "public": {
    Tables: {
      "phoenix_events": {
        Row: {
          "ai_processing_error": string | null;
          "app_source": string;
          "causation_id": string | null;
          "correlation_id": string | null;
          "event_hash": string;
          "event_id": string;
          "event_type": string;
          "metadata": NonNullable<Json>;
          "payload": NonNullable<Json>;
          "received_at": string;
          "session_id": string | null;
          "timestamp": string;
          "user_id": string;
          "version": number;
        };
        ComputedFields: never;
        Insert: {
          "ai_processing_error"?: string | null;
          "app_source": string;
          "causation_id"?: string | null;
          "correlation_id"?: string | null;
          "event_hash": string;
          "event_id": string;
          "event_type": string;
          "metadata"?: NonNullable<Json>;
          "payload": NonNullable<Json>;
          "received_at"?: string;
          "session_id"?: string | null;
          "timestamp": string;
          "user_id": string;
          "version": number;
        };
        Update: {
          "ai_processing_error"?: string | null;
          "app_source"?: string;
          "causation_id"?: string | null;
          "correlation_id"?: string | null;
          "event_hash"?: string;
          "event_id"?: string;
          "event_type"?: string;
          "metadata"?: NonNullable<Json>;
          "payload"?: NonNullable<Json>;
          "received_at"?: string;
          "session_id"?: string | null;
          "timestamp"?: string;
          "user_id"?: string;
          "version"?: number;
        };
        Relationships: [];
      };
      "phoenix_nudges_sent": {
        Row: {
          "app_source": string;
          "cancelled_at": string | null;
          "causation_id": string | null;
          "clicked_at": string | null;
          "converted_at": string | null;
          "correlation_id": string | null;
          "cta_label": string;
          "cta_url": string;
          "dismissed_at": string | null;
          "expired_at": string | null;
          "expires_at": string;
          "held_out": boolean | null;
          "message": string;
          "nudge_id": string;
          "nudge_type": string;
          "sent_at": string;
          "shown_at": string | null;
          "status": string | null;
          "success": boolean | null;
          "target_app": string;
          "title": string;
          "user_id": string;
          "variant": string;
        };
        ComputedFields: never;
        Insert: {
          "app_source": string;
          "cancelled_at"?: string | null;
          "causation_id"?: string | null;
          "clicked_at"?: string | null;
          "converted_at"?: string | null;
          "correlation_id"?: string | null;
          "cta_label": string;
          "cta_url": string;
          "dismissed_at"?: string | null;
          "expired_at"?: string | null;
          "expires_at": string;
          "held_out"?: never;
          "message": string;
          "nudge_id": string;
          "nudge_type": string;
          "sent_at"?: string;
          "shown_at"?: string | null;
          "status"?: never;
          "success"?: never;
          "target_app": string;
          "title": string;
          "user_id": string;
          "variant"?: string;
        };
        Update: {
          "app_source"?: string;
          "cancelled_at"?: string | null;
          "causation_id"?: string | null;
          "clicked_at"?: string | null;
          "converted_at"?: string | null;
          "correlation_id"?: string | null;
          "cta_label"?: string;
          "cta_url"?: string;
          "dismissed_at"?: string | null;
          "expired_at"?: string | null;
          "expires_at"?: string;
          "held_out"?: never;
          "message"?: string;
          "nudge_id"?: string;
          "nudge_type"?: string;
          "sent_at"?: string;
          "shown_at"?: string | null;
          "status"?: never;
          "success"?: never;
          "target_app"?: string;
          "title"?: string;
          "user_id"?: string;
          "variant"?: string;
        };
        Relationships: [];
      };
      "phoenix_transitions": {
        Row: {
          "accepted_at": string | null;
          "causation_id": string | null;
          "completed_at": string | null;
          "context": NonNullable<Json>;
          "correlation_id": string | null;
          "expired_at": string | null;
          "expires_at": string;
          "notified_at": string | null;
          "reason": string | null;
          "rejected_at": string | null;
          "requested_at": string;
          "source_app": string;
          "status": string;
          "target_app": string;
          "transition_id": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "accepted_at"?: string | null;
          "causation_id"?: string | null;
          "completed_at"?: string | null;
          "context": NonNullable<Json>;
          "correlation_id"?: string | null;
          "expired_at"?: string | null;
          "expires_at": string;
          "notified_at"?: string | null;
          "reason"?: string | null;
          "rejected_at"?: string | null;
          "requested_at"?: string;
          "source_app": string;
          "status"?: string;
          "target_app": string;
          "transition_id": string;
          "user_id": string;
        };
        Update: {
          "accepted_at"?: string | null;
          "causation_id"?: string | null;
          "completed_at"?: string | null;
          "context"?: NonNullable<Json>;
          "correlation_id"?: string | null;
          "expired_at"?: string | null;
          "expires_at"?: string;
          "notified_at"?: string | null;
          "reason"?: string | null;
          "rejected_at"?: string | null;
          "requested_at"?: string;
          "source_app"?: string;
          "status"?: string;
          "target_app"?: string;
          "transition_id"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
    };
    Views: {
      "phoenix_ecosystem_analytics": {
        Row: {
          "app_source": string | null;
          "avg_time_between_events": string | null;
          "date": string | null;
          "event_count": number | null;
          "event_type": string | null;
          "unique_users": number | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
      "phoenix_nudge_experiments": {
        Row: {
          "clicked": number | null;
          "conversion_rate": number | null;
          "converted": number | null;
          "nudge_type": string | null;
          "p_value": number | null;
          "sent": number | null;
          "shown": number | null;
          "uplift_vs_holdout": number | null;
          "variant": string | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
      "phoenix_nudge_opportunities": {
        Row: {
          "cv_last_activity": string | null;
          "letters_last_activity": string | null;
          "nudge_type": string | null;
          "user_id": string;
        };
        ComputedFields: never;
        Relationships: [];
      };
      "phoenix_user_journey": {
        Row: {
          "app_source": string;
          "event_type": string;
          "next_app": string | null;
          "previous_app": string | null;
          "time_since_last_event": string | null;
          "timestamp": string;
          "user_id": string;
        };
        ComputedFields: never;
        Relationships: [];
      };
    };
    Functions: {
      "get_aube_funnel": {
        Args: { "weeks_back"?: number };
        Returns: {
          "cohort_week": string;
          "conversion": number;
          "event_type": string;
          "exits": number;
          "median_minutes": number;
          "p90_minutes": number;
          "step": number;
          "users": number;
        }[];
      };
      "get_aube_metrics": { Args: { "days_back"?: number }; Returns: Json };
      "get_phoenix_ecosystem_stats": { Args: { "days_back"?: number }; Returns: Json };
      "get_phoenix_kpis": { Args: { "days_back"?: number }; Returns: Json };
      "get_phoenix_nudge_experiments": {
        Args: { "days_back"?: number };
        Returns: {
          "clicked": number;
          "conversion_rate": number;
          "converted": number;
          "nudge_type": string;
          "p_value": number;
          "sent": number;
          "shown": number;
          "uplift_vs_holdout": number;
          "variant": string;
        }[];
      };
      "get_phoenix_retention": {
        Args: { "weeks_back"?: number };
        Returns: {
          "app_source": string;
          "cohort_week": string;
          "retention": number;
          "users": number;
          "weeks_later": number;
        }[];
      };
      "publish_events": { Args: { "events": Json }; Returns: Json };
    };
    Enums: {
      [_ in never]: never;
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof (
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
    )
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals } ? (
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
  )[TableName] extends {
    Row: infer R;
  } ? R
  : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R;
    } ? R
    : never
  : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends
    {
      Insert: infer I;
    } ? I
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I;
    } ? I
    : never
  : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends
    {
      Update: infer U;
    } ? U
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U;
    } ? U
    : never
  : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][
    CompositeTypeName
  ]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never;

export const Constants = {
  "public": {
    Enums: {},
  },
} as const;
